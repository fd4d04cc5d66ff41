"""Pruning where a trial is trained in several folds: trials are compared at the same fold and epoch.

Folds differ in difficulty (a subject may be hard for every model), so a value of one fold is not comparable to a value
of another one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

LEAST_FOLDS = 2
"""Paired differences that a verdict on a trial needs."""

CONFIDENCE = 0.95


class FoldPruner(BasePruner):
    """Asks `pruner` about the fold that is trained, as if there were no other; and gives up hopeless trials.

    Args:
        pruner: keeps no notes of its own on trials (Optuna's median pruner).
        steps_per_fold: epoch e of fold f is step `f * steps_per_fold + e`.
    """

    def __init__(self, pruner: BasePruner, steps_per_fold: int) -> None:
        self._pruner, self._steps = pruner, steps_per_fold

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None:
            return False
        fold, epoch = divmod(step - 1, self._steps)
        if epoch == 0 and fold >= LEAST_FOLDS and self._is_hopeless(study, trial, fold):
            return True
        return self._pruner.prune(cast(Study, _OneFold(study, fold, self._steps)), _of_fold(trial, fold, self._steps))

    def _is_hopeless(self, study: Study, trial: FrozenTrial, n_folds: int) -> bool:
        complete = study.get_trials(deepcopy=False, states=(OptunaState.COMPLETE,))
        if not complete:
            return False
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        best = max(complete, key=lambda t: sign * cast(float, t.value))
        ours, theirs = (best_of_folds(t.intermediate_values, n_folds, self._steps, sign) for t in (trial, best))
        return is_hopeless([a - b for a, b in zip(ours, theirs, strict=True)])


def best_of_folds(values: Mapping[int, float], n_folds: int, steps_per_fold: int, sign: float) -> list[float]:
    """The best value of each of the first folds, times `sign`; NaN for a fold without values."""
    folds: list[list[float]] = [[] for _ in range(n_folds)]
    for step, value in values.items():
        fold = (step - 1) // steps_per_fold
        if fold < n_folds:
            folds[fold].append(sign * value)
    return [max(fold, default=math.nan) for fold in folds]


def is_hopeless(differences: Iterable[float]) -> bool:
    """Whether a trial is worse than the best one, judged by the folds that both have finished.

    True when the upper end of the one-sided 95 % Student's t interval of the paired differences lies below 0.

    Args:
        differences: trial minus best in each fold, in the direction in which more is better.
    """
    from scipy import stats

    paired = np.array([d for d in differences if math.isfinite(d)])
    if len(paired) < LEAST_FOLDS:
        return False
    half = stats.t.ppf(CONFIDENCE, len(paired) - 1) * paired.std(ddof=1) / math.sqrt(len(paired))
    return bool(paired.mean() + half < 0)


class _OneFold:
    """What a pruner sees of a study: its trials' values in one fold."""

    def __init__(self, study: Study, fold: int, steps_per_fold: int) -> None:
        self._study, self._fold, self._steps = study, fold, steps_per_fold
        self.direction = study.direction

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False, states=states)
        return [_of_fold(trial, self._fold, self._steps) for trial in trials]


def _of_fold(trial: FrozenTrial, fold: int, steps_per_fold: int) -> FrozenTrial:
    before = fold * steps_per_fold
    twin = copy.copy(trial)
    twin.intermediate_values = {
        step - before: value
        for step, value in trial.intermediate_values.items()
        if before < step <= before + steps_per_fold
    }
    return twin
