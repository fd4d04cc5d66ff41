"""A grid in an order that covers every hyperparameter's range at once, without holding the grid in memory.

Point t has one digit for each hyperparameter. With sizes n_0 ≥ n_1 ≥ … and P_j = n_0 · … · n_{j-1}, digit j is

    (t div P_j + f_j(t mod P_j)) mod n_j,

which is a bijection whatever f_j is, because the digits before j already determine `t mod P_j`. Here f_j runs through
a shuffled copy of the whole range again and again. So the first n_j points show all n_j values of hyperparameter j,
differently combined with the others in every round, and the order depends on nothing but the space.
"""

from __future__ import annotations

import math
import random
import zlib
from functools import lru_cache

import numpy as np

from truetune.errors import SpaceError
from truetune.search.values import tidy_grid
from truetune.space import Hyperparameter, Space, Value

SHUFFLED = 1000
"""Longer ranges are walked with a random stride instead: a shuffled copy of each would fill the memory."""


class GridOrder:
    """The points of `space` by index, 0 ≤ index < `size`.

    Args:
        space: what to enumerate.
        points: of a continuous range; None refuses one.

    Raises:
        SpaceError: a range is continuous, and `points` is None.
    """

    def __init__(self, space: Space, points: int | None = None) -> None:
        self._space = space
        axes = [(key, _grid(hyperparameter, points)) for key, hyperparameter in space.entries.items()]
        self._axes = sorted(axes, key=lambda axis: (-len(axis[1]), axis[0]))
        self.size = math.prod(len(grid) for _, grid in self._axes)

    def point(self, index: int) -> dict[str, Value]:
        """Values by key at `index`, without those that its own values make inactive."""
        chosen: dict[str, Value] = {}
        below = 1
        for key, grid in self._axes:
            carry, rest = divmod(index, below)
            chosen[key] = grid[(carry + _offset(key, len(grid), rest)) % len(grid)]
            below *= len(grid)
        values: dict[str, Value] = {}
        for key in self._space:
            if self._space.is_active(key, values):
                values[key] = chosen[key]
        return values


def _grid(hyperparameter: Hyperparameter, points: int | None) -> tuple[Value, ...]:
    grid = tidy_grid(hyperparameter)
    if grid is None and points is not None:
        return spaced(hyperparameter, points)
    if grid is None:
        raise SpaceError(
            f"Hyperparameter '{hyperparameter.name}' has the continuous range {hyperparameter.describe()}. Grid search "
            "expects Choice, Boolean or a stepped range: add a `step=`, sample every such range with --grid-points 3, "
            "or use --tuning-algorithm random."
        )
    return grid


def spaced(hyperparameter: Hyperparameter, points: int) -> tuple[Value, ...]:
    """`points` values of a continuous range, its ends among them, evenly spaced as it is sampled."""
    low, high = float(hyperparameter.low or 0.0), float(hyperparameter.high or 0.0)
    if hyperparameter.sampling == "linear":
        values = np.linspace(low, high, points)
    else:
        values = np.geomspace(low, high, points)
        if hyperparameter.sampling == "reverse_log":
            values = (low + high - values)[::-1]
    exact = np.clip(values, low, high).tolist()
    if hyperparameter.kind == "Int":
        return tuple(dict.fromkeys(round(value) for value in exact))
    return tuple(exact)


def _offset(key: str, size: int, rest: int) -> int:
    block, position = divmod(rest, size)
    if size <= SHUFFLED:
        return _shuffled(key, size, block)[position]
    draw = random.Random(zlib.crc32(f"{key}:{size}:{block}".encode()))
    stride = next(s for s in iter(lambda: draw.randrange(1, size), None) if math.gcd(s, size) == 1)
    return (position * stride + draw.randrange(size)) % size


@lru_cache(maxsize=4096)
def _shuffled(key: str, size: int, block: int) -> tuple[int, ...]:
    order = list(range(size))
    random.Random(zlib.crc32(f"{key}:{size}:{block}".encode())).shuffle(order)
    return tuple(order)
