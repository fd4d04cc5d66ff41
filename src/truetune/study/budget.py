"""Limits of a search: trials, time, and trials without a new best."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass

from truetune.objective import Objective
from truetune.trial import Trial, TrialState

RECENT = 20
"""Number of trials from whose times the next one's is estimated."""


@dataclass(frozen=True)
class Limits:
    """What ends a search, and a trial.

    Attributes:
        max_trials: trials in the study in all, those of earlier runs and of other processes included.
        time_budget: seconds of this run; no trial is started that would probably end later.
        no_improvement: finished trials without a new best after which no trial is started.
        trial_timeout: seconds after which a trial is ended as failed.
        max_retries: how often a trial whose process died is trained again.
    """

    max_trials: int
    time_budget: float | None = None
    no_improvement: int | None = None
    trial_timeout: float | None = None
    max_retries: int = 1


class Budget:
    """Decides whether another trial may start, from the trials that ended.

    Args:
        limits: what to keep.
        objective: what an improvement is.
        ended: trials of earlier runs, by number.
    """

    def __init__(self, limits: Limits, objective: Objective, ended: Iterable[Trial] = ()) -> None:
        self.limits, self._objective = limits, objective
        self._began = time.monotonic()
        self._seconds: list[float] = []
        self._best: float | None = None
        self._since_best = 0
        for trial in ended:
            if trial.state.is_finished:
                self.count(trial)

    def count(self, trial: Trial) -> None:
        """Take note of a trial that ended."""
        if trial.state is TrialState.COMPLETE:
            self._seconds.append(trial.seconds)
        if trial.score is not None and self._objective.is_better(trial.score, self._best):
            self._best, self._since_best = trial.score, 0
        else:
            self._since_best += 1

    def why_not(self) -> str:
        """Why no further trial may start, in a sentence; "" if one may."""
        patience = self.limits.no_improvement
        if patience is not None and self._best is not None and self._since_best >= patience:
            return (
                f"The last {self._since_best} trials brought no improvement (--stop-after-no-improvement {patience})."
            )
        return self.why_no_time()

    def why_no_time(self) -> str:
        """Why there is no time for a further training, in a sentence; "" if there is."""
        if self.limits.time_budget is None:
            return ""
        left = self.limits.time_budget - (time.monotonic() - self._began)
        expected = self._expected_seconds()
        if left >= expected and left > 0:
            return ""
        return (
            f"Another trial takes about {duration(expected)}, but only {duration(max(left, 0))} of the time budget of "
            f"{duration(self.limits.time_budget)} is left."
        )

    def _expected_seconds(self) -> float:
        """The upper quartile of the latest complete trials: pruned ones end sooner."""
        recent = self._seconds[-RECENT:]
        if len(recent) < 2:
            return recent[0] if recent else 0.0
        return statistics.quantiles(recent, n=4, method="inclusive")[2]

    @property
    def is_over(self) -> bool:
        """Whether the time is up also for trials that run."""
        budget = self.limits.time_budget
        return budget is not None and time.monotonic() - self._began > budget


def duration(seconds: float) -> str:
    """`2 h 5 min`, `3 min 20 s`, `45 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
