"""Whose weights stay on disk: the best trial's, every trial's, or nobody's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from truetune.objective import Objective
from truetune.training.messages import Request
from truetune.trial import Trial, TrialState

SUFFIX = ".weights.h5"


def weights_path(folder: Path, number: int) -> Path:
    """Where the weights of a trial stand: `<folder>/trial_00012.weights.h5`."""
    return folder / f"trial_{number:05d}{SUFFIX}"


class KeptWeights:
    """Says which trial writes its weights, and removes those that can no longer win.

    Several processes may share the folder: a file of a trial whose end is not known here is left alone.

    Args:
        folder: one file a trial.
        keep: one of `options.KEEPS`.
        objective: what better is.
        trials: of earlier runs.
    """

    def __init__(self, folder: Path, keep: str, objective: Objective, trials: Iterable[Trial]) -> None:
        self._folder, self._keep, self._objective = folder, keep, objective
        self._best: Trial | None = None
        for trial in trials:
            self.learn(trial)

    def asked(self, request: Request) -> Request:
        """`request` with where its weights go, and what they have to beat."""
        if self._keep == "none":
            return request
        return replace(
            request,
            weights=weights_path(self._folder, request.number),
            keeps_all=self._keep == "all",
            to_beat=None if self._best is None else self._best.score,
        )

    def learn(self, trial: Trial) -> None:
        """Take note of a trial that has ended, here or in another process; the loser's file goes."""
        if not trial.state.is_finished or self._keep != "best":
            return
        if self._beats_the_best(trial):
            trial, self._best = self._best or trial, trial
        if self._best is None or trial.number != self._best.number:
            weights_path(self._folder, trial.number).unlink(missing_ok=True)

    def _beats_the_best(self, trial: Trial) -> bool:
        """As `results.select.best_trial` decides: the earlier one of equals."""
        if trial.state is not TrialState.COMPLETE or trial.score is None or not math.isfinite(trial.score):
            return False
        if self._best is None or self._objective.is_better(trial.score, self._best.score):
            return True
        return trial.score == self._best.score and trial.number < self._best.number
