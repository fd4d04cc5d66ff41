"""Trials in several folds are compared at the same fold and epoch, and given up when the folds so far speak against."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState as OptunaState

from truetune.errors import InputError
from truetune.search.optuna.folds import FoldPruner, best_of_folds, is_hopeless
from truetune.search.optuna.pruners import OF_FOLDS, PRUNERS, make_pruner

STEPS = 20


def study_of(*trials):
    """Complete trials with one list of values a fold."""
    study = optuna.create_study(direction="maximize")
    for folds in trials:
        values = {f * STEPS + e: v for f, fold in enumerate(folds) for e, v in enumerate(fold, start=1)}
        study.add_trial(
            optuna.trial.create_trial(
                state=OptunaState.COMPLETE,
                value=sum(max(fold) for fold in folds) / len(folds),
                params={"x": 0.5},
                distributions={"x": FloatDistribution(0, 1)},
                intermediate_values=values,
            )
        )
    return study


def pruned(study, *folds):
    trial = study.ask()
    for f, fold in enumerate(folds):
        for e, value in enumerate(fold, start=1):
            trial.report(value, f * STEPS + e)
    frozen = study._storage.get_trial(trial._trial_id)
    return FoldPruner(optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0), STEPS).prune(study, frozen)


def test_a_hard_fold_does_not_prune():
    """Every trial is bad in the second fold; at .35 this one is better there than the others."""
    study = study_of([[0.9] * 3, [0.3] * 3], [[0.8] * 3, [0.3] * 3])
    assert not pruned(study, [0.9] * 3, [0.35] * 2)


def test_an_easy_fold_does_not_save():
    study = study_of([[0.6] * 3, [0.8] * 3], [[0.6] * 3, [0.8] * 3])
    assert pruned(study, [0.9] * 3, [0.5] * 2)


def test_worse_than_the_best_in_every_fold_is_hopeless():
    study = study_of([[0.9], [0.8], [0.85], [0.9]])
    assert pruned(study, [0.70], [0.61], [0.66], [0.9])
    assert not pruned(study, [0.70], [0.95], [0.66], [0.9])


def test_one_difference_says_nothing():
    assert not is_hopeless([-0.5])
    assert is_hopeless([-0.5, -0.5])
    assert not is_hopeless([-0.5, 0.1])
    assert not is_hopeless([float("nan"), -0.5])


def test_the_best_value_of_each_fold():
    found = best_of_folds({1: 0.2, 2: 0.4, STEPS + 1: 0.1, 2 * STEPS + 1: 9.0}, 2, STEPS, -1.0)
    assert found == [-0.2, -0.1]


@pytest.mark.parametrize("name", sorted(set(PRUNERS) - set(OF_FOLDS)))
def test_pruners_that_rank_by_epochs_are_refused(name):
    with pytest.raises(InputError, match="none, median"):
        make_pruner(name, 30, STEPS)
