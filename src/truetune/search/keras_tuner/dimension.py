"""One hyperparameter ↔ the interval [0, 1]."""

from __future__ import annotations

import random

from truetune.hyperparameters import to_keras_tuner
from truetune.search.values import natural, tidy_grid
from truetune.space import Hyperparameter, Value


class Dimension:
    """KerasTuner's cumulative probabilities; on a grid, our own.

    KerasTuner counts grid points with `//`: `Float(0, 1, step=0.1)` never reaches 1.0, because `1.0 // 0.1` is 9, and
    0.3 is taken for 0.2. Its Choice and Boolean are grids too.
    """

    def __init__(self, hyperparameter: Hyperparameter) -> None:
        self.hyperparameter = hyperparameter
        self.twin = to_keras_tuner(hyperparameter)
        self._grid = tidy_grid(hyperparameter)
        self._indices = {value: index for index, value in enumerate(self._grid or ())}

    @property
    def is_single(self) -> bool:
        """Whether there is nothing to choose."""
        return self._grid is not None and len(self._grid) == 1

    def value(self, probability: float) -> Value:
        if self._grid is None:
            return natural(self.hyperparameter, self.twin.prob_to_value(probability))
        return self._grid[min(int(probability * len(self._grid)), len(self._grid) - 1)]

    def probability(self, value: Value) -> float:
        """Of `value`, which lies in the range; on a grid, the middle of its share of [0, 1]."""
        if self._grid is None:
            return min(max(float(self.twin.value_to_prob(value)), 0.0), 1.0)
        known = value if value in self._indices else natural(self.hyperparameter, value)
        return (self._indices[known] + 0.5) / len(self._grid)

    def draw(self, seed: int) -> Value:
        return self.value(random.Random(seed).random())
