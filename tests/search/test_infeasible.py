"""What counts as at least as large as a model that ran out of memory."""

from __future__ import annotations

from typing import Any

import pytest

from truetune.search.base import SearchProblem
from truetune.search.infeasible import is_at_least_as_large
from truetune.search.optuna.searcher import TPESearcher
from truetune.testing import Simulation, trace
from truetune.testing.driver import OutOfMemory, TrialFailure


def build(hp: Any) -> None:
    hp.Int("units", 1, 512)
    hp.Choice("batch_size", [16, 32, 64])
    hp.Int("epochs", 1, 50)
    hp.Float("learning_rate", 1e-4, 1e-1)
    hp.Choice("optimizer", ["adam", "sgd"])
    hp.Boolean("norm")


FAILED = {"units": 100, "batch_size": 32, "epochs": 20, "learning_rate": 0.01, "optimizer": "adam", "norm": True}


@pytest.mark.parametrize(
    ("change", "too_large"),
    [
        ({}, True),
        ({"units": 101}, True),
        ({"units": 512, "batch_size": 64}, True),
        ({"units": 99}, False),
        ({"units": 512, "batch_size": 16}, False),
        ({"epochs": 1}, True),
        ({"learning_rate": 0.0002}, True),
        ({"optimizer": "sgd"}, False),
        ({"norm": False}, False),
        ({"more": 3}, True),
    ],
)
def test_larger_in_everything_that_drives_memory(change, too_large):
    assert is_at_least_as_large(trace(build), {**FAILED, **change}, FAILED) is too_large


def test_a_key_that_is_missing_is_another_model():
    assert not is_at_least_as_large(trace(build), {k: v for k, v in FAILED.items() if k != "norm"}, FAILED)


def test_a_failure_that_says_nothing_about_size_forbids_nothing():
    space = trace(build)
    assert not is_at_least_as_large(space, FAILED, {})
    assert not is_at_least_as_large(space, FAILED, {"learning_rate": 0.01})


def wide(hp: Any) -> None:
    hp.Int("units", 1, 512)
    hp.Float("rate", 0.0, 1.0)


def indifferent_to_size(values: Any, epoch: int) -> float:
    if values["units"] > 128:
        raise OutOfMemory("out of memory")
    return float(values["rate"])


def crashing(values: Any, epoch: int) -> float:
    try:
        return indifferent_to_size(values, epoch)
    except OutOfMemory:
        raise TrialFailure("crashed") from None


def late_failures(objective: Any) -> int:
    failures = 0
    for seed in range(5):
        searcher = TPESearcher(SearchProblem(trace(wide), "max", "score", 30, 1, seed))
        trials = Simulation(searcher, wide, objective, trace(wide), epochs=1).run(30)
        failures += sum(trial.cause != "" for trial in trials[-10:])
    return failures


@pytest.mark.slow
def test_tpe_moves_away_from_what_does_not_fit_and_not_from_crashes():
    """By the constraint alone, of which three quarters of the space fall short; nothing is refused here."""
    assert late_failures(indifferent_to_size) < 0.5 * 50
    assert late_failures(indifferent_to_size) < 0.7 * late_failures(crashing)


def test_a_trial_that_ran_out_of_memory_is_a_violated_constraint():
    searcher = TPESearcher(SearchProblem(trace(wide), "max", "score", 30, 1, 0))
    Simulation(searcher, wide, indifferent_to_size, trace(wide), epochs=1).run(10)
    recorded = searcher._study.get_trials(deepcopy=False)
    violated = [trial for trial in recorded if any(value > 0 for value in trial.constraints.values())]
    assert violated
    assert all(trial.params["units"] > 128 for trial in violated)
