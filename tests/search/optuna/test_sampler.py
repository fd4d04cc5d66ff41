"""What is remembered changes no proposal: bit for bit those of Optuna's own sampler."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
import pytest

from truetune.search.base import SearchProblem
from truetune.search.optuna.searcher import TPESearcher
from truetune.search.values import random_start
from truetune.seeds import derive_seed
from truetune.space import Value
from truetune.testing import Simulation, trace
from truetune.testing.driver import OutOfMemory, TrialFailure


def branching(hp: Any) -> None:
    """Groups that appear one after the other, of every kind of hyperparameter."""
    kind = hp.Choice("kind", ["plain", "deep", "wide"])
    hp.Float("rate", 1e-5, 1e-1, sampling="log")
    hp.Fixed("constant", 3)
    for layer in range(hp.Int("layers", 1, 4)):
        hp.Int(f"units_{layer}", 8, 256, step=8)
    if kind == "deep":
        hp.Boolean("residual")
        hp.Float("dropout", 0.0, 0.5, step=0.1)
    if kind == "wide":
        hp.Int("width", 16, 512, sampling="log")


def objective(values: Mapping[str, Value], epoch: int) -> float:
    draw = random.Random(repr(sorted(values.items()))).random()
    if draw < 0.1:
        raise OutOfMemory("too large")
    if draw < 0.2:
        raise TrialFailure("crashed")
    return round(draw, 1) + 0.001 * epoch  # with many equal scores


class OptunaAlone(TPESearcher):
    def _sampler(self, number: int, attempt: int) -> optuna.samplers.BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return optuna.samplers.TPESampler(
                n_startup_trials=random_start(self._problem.max_trials),
                multivariate=True,
                group=True,
                seed=derive_seed(self._problem.seed, "tpe", number, attempt),
            )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("parallel", [1, 4])
def test_proposals_are_optunas(seed: int, parallel: int) -> None:
    def run(searcher: type[TPESearcher]) -> Simulation:
        problem = SearchProblem(trace(branching), "max", "val_accuracy", 45, 4, seed)
        simulation = Simulation(searcher(problem), branching, objective, trace(branching), epochs=4)
        simulation.run(45, parallel)
        return simulation

    assert run(TPESearcher).trials == run(OptunaAlone).trials
