"""KerasTuner's random and grid oracles."""

from __future__ import annotations

from typing import Any

import keras_tuner as kt

from truetune.search.base import SearchProblem
from truetune.search.grid import GridOrder
from truetune.search.keras_tuner.oracle import SearchOracle, objective_of
from truetune.search.values import first_values
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Value

REPETITIONS = 200_000
"""Grid points in a row that are all repetitions (of inactive hyperparameters) before the grid counts as used up."""


class RandomOracle(SearchOracle, kt.oracles.RandomSearchOracle):  # type: ignore[misc]
    """Random search with independent seeds."""

    def __init__(self, problem: SearchProblem) -> None:
        super().__init__(
            objective=objective_of(problem),
            max_trials=problem.max_trials,
            seed=derive_seed(problem.seed, "random"),
        )
        self.attach(problem)


class GridOracle(SearchOracle, kt.oracles.GridSearchOracle):  # type: ignore[misc]
    """The grid in our own order.

    KerasTuner's walks like an odometer, so that a capped grid never moves the first hyperparameters, and finds its
    place by the previous trial, so that it raises KeyError when that one was interrupted.
    """

    def __init__(self, problem: SearchProblem) -> None:
        super().__init__(
            objective=objective_of(problem),
            max_trials=problem.max_trials,
            seed=derive_seed(problem.seed, "grid"),
        )
        self._order: GridOrder | None = None
        self._cursor = 0
        self.attach(problem)
        self._order = GridOrder(self.space, self.problem.grid_points)

    def learn(self, key: str, hyperparameter: Hyperparameter) -> None:
        """A hyperparameter found on the way widens the grid, which is then walked again for what is new in it."""
        if key not in self.space:
            super().learn(key, hyperparameter)
            self._order, self._cursor = None, 0

    def sample(self, key: str, collision: int = 0) -> Value:
        """A hyperparameter that the grid does not hold yet starts at its default."""
        return self.space[key].default

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        values = first_values(self.problem, self.space) if self.is_first() else self._next_point()
        if values is None:
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": values}

    def _next_point(self) -> dict[str, Value] | None:
        self._order = self._order or GridOrder(self.space, self.problem.grid_points)
        exact = {frozenset(values.items()) for values in [*self.taken(), *self.retracted]}
        for index in range(self._cursor, min(self._cursor + REPETITIONS, self._order.size)):
            values = self._order.point(index)
            if frozenset(values.items()) not in exact and not self._duplicate(values):
                self._cursor = index + 1
                return values
        return None
