"""KerasTuner's four algorithms keep the contract."""

from __future__ import annotations

import pytest

from truetune.search import Searcher, SearchProblem, make_searcher
from truetune.search.hyperband.plan import plan_hyperband
from truetune.testing import SearcherContract

pytestmark = pytest.mark.tensorflow


class TestBayesian(SearcherContract):
    def make(self, problem: SearchProblem) -> Searcher:
        return make_searcher("keras-tuner", "bayesian", problem)


class TestRandom(SearcherContract):
    def make(self, problem: SearchProblem) -> Searcher:
        return make_searcher("keras-tuner", "random", problem)


class TestHyperband(SearcherContract):
    def make(self, problem: SearchProblem) -> Searcher:
        return make_searcher("keras-tuner", "hyperband", problem)

    def expected_trials(self, max_trials: int, epochs: int) -> int:
        return plan_hyperband(max_trials, epochs).trials


class TestGrid(SearcherContract):
    seeded = False

    def make(self, problem: SearchProblem) -> Searcher:
        return make_searcher("keras-tuner", "grid", problem)
