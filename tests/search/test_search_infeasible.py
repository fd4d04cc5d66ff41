"""What counts as at least as large as a model that ran out of memory."""

from __future__ import annotations

from typing import Any

import pytest

from truetune.search.base import SearchProblem
from truetune.search.infeasible import is_at_least_as_large
from truetune.search.optuna import TPESearcher
from truetune.testing import Simulation, trace
from truetune.testing.driver import OutOfMemory
from truetune.trial import OUT_OF_MEMORY


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


def better_the_larger(values: Any, epoch: int) -> float:
    if values["units"] > 128:
        raise OutOfMemory("out of memory")
    return float(values["units"])


def test_tpe_moves_away_from_what_does_not_fit():
    early, late = 0, 0
    for seed in range(5):
        searcher = TPESearcher(SearchProblem(trace(wide), "max", "score", 30, 1, seed))
        trials = Simulation(searcher, wide, better_the_larger, trace(wide), epochs=1).run(30)
        early += sum(trial.cause == OUT_OF_MEMORY for trial in trials[:10])
        late += sum(trial.cause == OUT_OF_MEMORY for trial in trials[-10:])
    assert late < early / 2
