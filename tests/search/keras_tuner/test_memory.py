"""KerasTuner's oracles and trials that ran out of memory: infeasible, the worst there is, never infinite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from truetune.search.base import SearchProblem
from truetune.search.infeasible import is_at_least_as_large
from truetune.search.registry import make_searcher
from truetune.testing import Simulation, trace
from truetune.testing.driver import OutOfMemory
from truetune.trial import OUT_OF_MEMORY

pytestmark = pytest.mark.tensorflow


def wide(hp: Any) -> None:
    hp.Int("units", 8, 512, step=8)
    hp.Choice("batch_size", [16, 32, 64])
    hp.Float("rate", 0.0, 1.0, step=0.05)


def too_large(values: Any, epoch: int) -> float:
    if values["units"] * values["batch_size"] > 128 * 64:
        raise OutOfMemory("out of memory")
    return -1.0 - float(values["rate"])


def searched(algorithm: str, n: int = 18) -> tuple[Any, Simulation]:
    problem = SearchProblem(trace(wide), "max", "score", n, 4, 1)
    searcher = make_searcher("keras-tuner", algorithm, problem)
    simulation = Simulation(searcher, wide, too_large, problem.space.copy(), 4)
    simulation.run(n)
    return searcher, simulation


@pytest.mark.parametrize("algorithm", ["bayesian", "hyperband", "random", "grid"])
def test_nothing_as_large_is_proposed_again(algorithm: str) -> None:
    _, simulation = searched(algorithm)
    failed: list[Any] = []
    for number in sorted(simulation.trials):
        trial = simulation.trials[number]
        assert not any(is_at_least_as_large(simulation.space, trial.values, earlier) for earlier in failed)
        if trial.cause == OUT_OF_MEMORY:
            failed.append(trial.values)
    assert failed


def test_the_gaussian_process_sees_the_worst_finite_score() -> None:
    searcher, simulation = searched("bayesian")
    oracle = searcher.oracle
    scores = [trial.score for trial in simulation.trials.values() if trial.score is not None]
    learnt = oracle.gpr.y_train_ * getattr(oracle.gpr, "_y_train_std", 1.0) + getattr(oracle.gpr, "_y_train_mean", 0.0)
    assert np.isfinite(learnt).all()
    assert learnt.max() == pytest.approx(-min(scores))


def test_kerastuner_knows_them_as_invalid_and_none_wins() -> None:
    searcher, simulation = searched("random")
    twins = searcher.oracle.trials
    for number, trial in simulation.trials.items():
        twin = twins[f"{number:04d}"]
        assert (twin.status == "INVALID") == (trial.cause == OUT_OF_MEMORY)
        assert trial.cause != OUT_OF_MEMORY or twin.score is None
