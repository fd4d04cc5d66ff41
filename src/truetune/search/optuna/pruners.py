"""Optuna's pruners, by the names `--pruner` takes. Steps are epochs, and the first epoch is 1."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from truetune.errors import InputError
from truetune.search.optuna.folds import FoldPruner

NUMBER = "truetune:number"
"""User attribute of an in-memory trial: the number by which the study knows it."""

STARTUP_TRIALS = 5
WARMUP_EPOCHS = 10


class NumberedHyperbandPruner(HyperbandPruner):
    """Hyperband whose brackets follow the study's trial numbers.

    Optuna draws the bracket from its own trial number, which moves on with every retracted proposal; an interrupted
    search would then continue in other brackets than an uninterrupted one.
    """

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        if not self._pruners:
            self._try_initialization(study)
        twin = copy.copy(trial)
        twin.number = trial.user_attrs[NUMBER]
        return super()._get_bracket_id(study, twin)


def none(epochs: int) -> BasePruner:
    """Every trial trains to its end."""
    return NopPruner()


def median(epochs: int) -> BasePruner:
    """Stops what is worse than the median at the same epoch; never within the first ten epochs.

    Optuna counts steps from 0 and lets a trial be pruned at `step == n_warmup_steps`: with epochs that count from 1,
    eleven is the step that leaves ten epochs alone.
    """
    return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS + 1)


def hyperband(epochs: int) -> BasePruner:
    """Asynchronous successive halving in several brackets."""
    return NumberedHyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)


def successive_halving(epochs: int) -> BasePruner:
    """Asynchronous successive halving: the better quarter goes on at epochs 1, 4, 16, …"""
    return SuccessiveHalvingPruner(min_resource=1, reduction_factor=4)


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "none": none,
    "median": median,
    "hyperband": hyperband,
    "successive-halving": successive_halving,
}


OF_FOLDS = ("none", "median")
"""Pruners that compare trials within a fold; the others rank trials by the epochs they have reached."""


def make_pruner(name: str, epochs: int, steps_per_fold: int = 0) -> BasePruner:
    """The pruner called `name` for trials of `epochs` epochs, in several folds if `steps_per_fold` is not 0.

    Raises:
        InputError: there is no such pruner, or none for several folds.
    """
    if name not in PRUNERS:
        raise InputError(f"The pruner {name!r} was given. Expected one of {', '.join(PRUNERS)}.")
    pruner = PRUNERS[name](epochs)
    if not steps_per_fold or name == "none":
        return pruner
    if name not in OF_FOLDS:
        raise InputError(
            f"The pruner {name!r} was given for trials in several folds. Expected one of {', '.join(OF_FOLDS)}."
        )
    return FoldPruner(pruner, steps_per_fold)


def remembers(pruner: Any) -> bool:
    """Whether a pruner keeps its own notes on trials, which have to be made again when a search is resumed."""
    return isinstance(pruner, (HyperbandPruner, SuccessiveHalvingPruner))
