"""The finalists: the best trials of a search and today's configuration, trained again with new seeds and splits.

The best of several noisy scores is too optimistic, and that holds for re-trainings too. So there are two stages: the
re-trainings of the first choose the winner; those of the second take no part in the choice and measure it. Everything
here is a function of the recorded runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np

from truetune.objective import Objective
from truetune.results.ranking import best_configurations
from truetune.statistics.intervals import Estimate, estimate, variance_of
from truetune.trial import CHOOSING, CONFIRMING, TODAY, FreshRun, PlannedRun, Trial

INCOMPLETE = "its re-trainings are not complete"

Recommendation = Literal["apply", "keep today's", "unknown"]


TRIALS_FOR_EACH = 4
"""A search has at most one finalist per this many trials."""


@dataclass(frozen=True)
class FreshTraining:
    """How finalists are trained again.

    Attributes:
        finalists: number of the best trials, in addition to today's configuration; 0 disables the re-evaluation.
        runs: re-trainings per finalist and stage.
        validation_ratio: validation rows divided by training rows of a run.
    """

    finalists: int = 0
    runs: int = 3
    validation_ratio: float = 0.25

    @property
    def most_runs(self) -> int:
        """Upper bound over both stages: the finalists and today's configuration, then the winner and today's again."""
        return (self.finalists + 1) * self.runs + 2 * self.runs if self.finalists else 0

    def of_search(self, n_trials: int) -> FreshTraining:
        """With fewer finalists for a short search, since re-training every trial would select nothing."""
        return replace(self, finalists=min(self.finalists, max(1, n_trials // TRIALS_FOR_EACH)))


@dataclass(frozen=True)
class Finalist:
    """One candidate and its re-trainings of the choosing stage.

    Attributes:
        trial: its number.
        search_score: its objective in the search.
        scores: of its re-trainings, by repeat.
        mean, low, high: of `scores`; None if it is excluded; the ends are also None if no spread can be estimated.
        reason: why it is excluded; empty otherwise.
    """

    trial: int
    search_score: float | None
    scores: tuple[float, ...]
    mean: float | None
    low: float | None
    high: float | None
    reason: str = ""


@dataclass(frozen=True)
class FinalChoice:
    """The result of the re-evaluation.

    Attributes:
        finalists: best first, by the bound that decides; excluded ones last.
        winner: number of the winning trial; None if every finalist is excluded, or while runs of the choosing stage
            are missing.
        confirmed: the winner in the confirming stage; None while its runs are incomplete.
        today: today's configuration in the confirming stage.
        gain: improvement of the winner over today's configuration, from runs of the confirming stage paired by repeat;
            positive is better, also for minimized objectives. None if today's configuration wins or is excluded.
        is_within_noise: whether the interval of `gain` contains 0.
        optimism: mean difference between a re-training's best epoch and the epoch that the search chose.
        spread: standard deviation between runs; None if no finalist has two runs.
        difference: standard deviation, between parts of the choosing stage, of a finalist's gain over today's
            configuration; None without two parts to compare.
        validation_share: fraction of the development rows that a part was scored on.
    """

    finalists: tuple[Finalist, ...]
    winner: int | None
    confirmed: Estimate | None
    today: Estimate | None
    gain: Estimate | None
    is_within_noise: bool
    optimism: float | None
    spread: float | None
    difference: float | None
    validation_share: float

    @property
    def recommendation(self) -> Recommendation:
        """What to do; "unknown" if the runs cannot show it."""
        if self.winner == TODAY:
            return "keep today's"
        if self.gain is None:
            return "unknown"
        if self.gain.low is None:
            return "unknown" if self.gain.mean > 0 else "keep today's"
        return "apply" if self.gain.low > 0 else "keep today's"


def plan_runs(trials: Sequence[Trial], objective: Objective, k: int, runs: int) -> list[PlannedRun]:
    """The runs of the choosing stage: `runs` for each of the best `k` trials and for trial 0; none for `k` = 0."""
    numbers = _candidates(trials, objective, k)
    return [PlannedRun(number, repeat, CHOOSING) for repeat in range(runs) for number in numbers]


def plan_confirmation(
    trials: Sequence[Trial], objective: Objective, training: FreshTraining, fresh: Sequence[FreshRun]
) -> list[PlannedRun]:
    """The runs of the confirming stage, for the winner and for trial 0 unless excluded; empty without a winner."""
    choice = choose(trials, objective, training, fresh)
    if choice.winner is None:
        return []
    today = [f.trial for f in choice.finalists if f.trial == TODAY and not f.reason]
    numbers = list(dict.fromkeys([choice.winner, *today]))
    return [PlannedRun(number, repeat, CONFIRMING) for repeat in range(training.runs) for number in numbers]


def missing_runs(
    trials: Sequence[Trial], objective: Objective, training: FreshTraining, fresh: Sequence[FreshRun]
) -> list[PlannedRun]:
    """The runs to train next, given the recorded ones: the rest of a stage, or none when all are complete.

    A finalist with a failed run is excluded, and its other runs are not trained.
    """
    known, failed = {run.planned for run in fresh}, _failures(fresh)
    stages: tuple[Callable[[], list[PlannedRun]], ...] = (
        lambda: plan_runs(trials, objective, training.finalists, training.runs),
        lambda: plan_confirmation(trials, objective, training, fresh),
    )
    for stage in stages:
        todo = [run for run in stage() if run not in known and run.trial not in failed]
        if todo:
            return todo
    return []


def choose(
    trials: Sequence[Trial], objective: Objective, training: FreshTraining, fresh: Sequence[FreshRun]
) -> FinalChoice:
    """The winner by its bound in the choosing stage, with its estimate from the confirming stage.

    The bound is the pessimistic end of the two-sided 95 % interval, which is also the interval shown; of equal ones the
    earliest trial wins. There is no winner before all runs of this stage are complete.
    """
    candidates = _candidates(trials, objective, training.finalists)
    ordered = sorted(fresh, key=lambda run: (run.trial, run.stage, run.repeat))  # sums of floats depend on the order
    used = [run for run in ordered if run.repeat < training.runs]
    finalists = _judged(trials, candidates, used, objective, training)
    is_chosen = all(f.reason != INCOMPLETE for f in finalists)
    winner = next((f.trial for f in finalists if not f.reason), None) if is_chosen else None
    variances = _variances(used, [f.trial for f in finalists if not f.reason])
    confirming = {number: _scores(used, number, CONFIRMING) for number in (winner, TODAY) if number is not None}
    complete = {n: s for n, s in confirming.items() if len(s) == training.runs and n not in _failures(fresh)}
    estimates = {
        n: estimate(s, list(variances.values()), training.validation_ratio, _parts(used, n, CONFIRMING))
        for n, s in complete.items()
    }
    gain = None if winner == TODAY else _gain(used, complete, winner, finalists, objective, training)
    mine = [run for run in used if run.trial in candidates]
    return FinalChoice(
        finalists=finalists,
        winner=winner,
        confirmed=None if winner is None else estimates.get(winner),
        today=estimates.get(TODAY),
        gain=gain,
        is_within_noise=gain is not None and gain.contains_zero,
        optimism=_optimism(mine, objective),
        spread=_spread(mine),
        difference=_difference(used, finalists),
        validation_share=training.validation_ratio / (1 + training.validation_ratio),
    )


def _candidates(trials: Sequence[Trial], objective: Objective, k: int) -> list[int]:
    """Numbers of the best `k` trials, and of today's configuration if it has a score (even if it was pruned)."""
    if k == 0:
        return []
    today = [t for t in trials if t.number == TODAY and t.score is not None and math.isfinite(t.score)]
    others = [t for t in best_configurations(trials, objective, k + 1) if all(t.values != t0.values for t0 in today)]
    return sorted(t.number for t in [*today, *others[:k]])


def _failures(fresh: Sequence[FreshRun]) -> dict[int, str]:
    """Reasons by trial."""
    return {run.trial: run.reason or "a re-training has no score" for run in fresh if run.score is None}


def _scores(fresh: Sequence[FreshRun], number: int, stage: str) -> tuple[float, ...]:
    """In the order of `fresh`, without failed runs."""
    return tuple(r.score for r in fresh if (r.trial, r.stage) == (number, stage) and r.score is not None)


def _parts(fresh: Sequence[FreshRun], number: int, stage: str) -> tuple[float, ...]:
    """As `_scores`, but of every fold."""
    return tuple(part for run in fresh if (run.trial, run.stage) == (number, stage) for part in run.parts)


def _variances(fresh: Sequence[FreshRun], numbers: Sequence[int]) -> dict[int, float]:
    """Variances of the parts of the choosing stage, by trial; without trials that have a single part."""
    found = {number: variance_of(_parts(fresh, number, CHOOSING)) for number in numbers}
    return {number: variance for number, variance in found.items() if variance is not None}


def _judged(
    trials: Sequence[Trial],
    candidates: Sequence[int],
    fresh: Sequence[FreshRun],
    objective: Objective,
    training: FreshTraining,
) -> tuple[Finalist, ...]:
    search = {trial.number: trial.score for trial in trials}
    scores = {number: _scores(fresh, number, CHOOSING) for number in candidates}
    failed = _failures(fresh)
    reasons = {
        number: failed.get(number, "" if len(found) == training.runs else INCOMPLETE)
        for number, found in scores.items()
    }
    variances = _variances(fresh, [number for number in candidates if not reasons[number]])
    judged = []
    for number in candidates:
        others = [variance for other, variance in variances.items() if other != number]
        parts = _parts(fresh, number, CHOOSING)
        found = None if reasons[number] else estimate(scores[number], others, training.validation_ratio, parts)
        mean, low, high = (None, None, None) if found is None else (found.mean, found.low, found.high)
        judged.append(Finalist(number, search[number], scores[number], mean, low, high, reasons[number]))
    return tuple(sorted(judged, key=lambda finalist: _place(finalist, objective)))


def _place(finalist: Finalist, objective: Objective) -> tuple[bool, float, int]:
    """Smaller is better."""
    if finalist.mean is None:
        return True, 0.0, finalist.trial
    low, high = (finalist.mean if end is None else end for end in (finalist.low, finalist.high))
    return False, -low if objective.direction == "max" else high, finalist.trial


def _gain(
    fresh: Sequence[FreshRun],
    complete: dict[int, tuple[float, ...]],
    winner: int | None,
    finalists: Sequence[Finalist],
    objective: Objective,
    training: FreshTraining,
) -> Estimate | None:
    """Its spread is moderated by that of the same differences in the choosing stage."""
    if winner is None or winner not in complete or TODAY not in complete:
        return None
    sign = 1.0 if objective.direction == "max" else -1.0
    scores = (sign * np.subtract(complete[winner], complete[TODAY])).tolist()
    parts = [sign * part for part in _from_today(fresh, winner, CONFIRMING)]
    return estimate(scores, _variances_from_today(fresh, finalists), training.validation_ratio, parts)


def _from_today(fresh: Sequence[FreshRun], number: int, stage: str) -> list[float]:
    """Part by part: trial `number` minus today's configuration."""
    paired: list[float] = np.subtract(_parts(fresh, number, stage), _parts(fresh, TODAY, stage)).tolist()
    return paired


def _variances_from_today(fresh: Sequence[FreshRun], finalists: Sequence[Finalist]) -> list[float]:
    """Variances of these differences in the choosing stage, one per finalist; none if today's is excluded."""
    if not any(f.trial == TODAY and not f.reason for f in finalists):
        return []
    others = [f.trial for f in finalists if f.trial != TODAY and not f.reason]
    found = [variance_of(_from_today(fresh, number, CHOOSING)) for number in others]
    return [variance for variance in found if variance is not None]


def _difference(fresh: Sequence[FreshRun], finalists: Sequence[Finalist]) -> float | None:
    variances = _variances_from_today(fresh, finalists)
    return math.sqrt(float(np.mean(variances))) if variances else None


def _optimism(fresh: Sequence[FreshRun], objective: Objective) -> float | None:
    sign = 1.0 if objective.direction == "max" else -1.0
    found = [sign * (r.best - r.score) for r in fresh if r.best is not None and r.score is not None]
    return float(np.mean(found)) if found else None


def _spread(fresh: Sequence[FreshRun]) -> float | None:
    groups = groupby((r for r in fresh if r.score is not None), key=lambda run: (run.trial, run.stage))
    scores = [[run.score for run in group if run.score is not None] for _, group in groups]
    variances = [v for found in scores if (v := variance_of(found)) is not None]
    return math.sqrt(float(np.mean(variances))) if variances else None
