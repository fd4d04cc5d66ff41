"""Values ↔ points of the unit cube, as KerasTuner's Gaussian process sees them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from truetune.search.keras_tuner.dimension import Dimension
from truetune.space import Space, Value

Array = NDArray[np.float64]


class Embedding:
    """One coordinate in [0, 1] for each hyperparameter, in the order of the keys.

    The order of the keys, not of discovery: a restored search knows from its start what an uninterrupted one found
    on its way, and both must see the same cube. Inactive and unknown hyperparameters stand at their defaults.
    """

    def __init__(self, space: Space, dimensions: Mapping[str, Dimension]) -> None:
        self._space = space
        self._dimensions = dimensions
        self._keys = sorted(key for key, dimension in dimensions.items() if not dimension.is_single)
        self._columns = {key: column for column, key in enumerate(self._keys)}

    @property
    def width(self) -> int:
        return len(self._keys)

    def encode(self, values: Mapping[str, Value]) -> Array:
        """Values by key → a point, shape (width,)."""
        complete = ((self._dimensions[key], values.get(key, self._space[key].default)) for key in self._keys)
        return np.array([dimension.probability(value) for dimension, value in complete])

    def decode(self, point: Array) -> dict[str, Value]:
        """A point, shape (width,) → the active values by key."""
        values: dict[str, Value] = {}
        for key, hyperparameter in self._space.entries.items():
            if not self._space.is_active(key, values):
                continue
            column = self._columns.get(key)
            values[key] = hyperparameter.default if column is None else self._dimensions[key].value(point[column])
        return values
