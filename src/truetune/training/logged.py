"""What Keras logs, as plain numbers: a metric may have a value for each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """`logs` by name; a metric that is an array, as `keras.metrics.F1Score()` is, has a name for each of its values.

    Args:
        logs: metrics as Keras has them: numbers, arrays, tensors, or mappings of these.

    Returns:
        `accuracy`, `f1_score[0]`, `f1_score[1]`, `confusion[0,1]`, …; each may be an objective.
    """
    found: dict[str, float] = {}
    for name, value in flat(logs):
        if np.ndim(value) == 0:
            found[name] = float(value)
        else:
            found |= {one_of(name, index): float(number) for index, number in np.ndenumerate(np.asarray(value))}
    return found


def flat(logs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values, as Keras logs them: what a metric returns in a mapping stands under its own names."""
    for name, value in logs.items():
        if isinstance(value, Mapping):
            yield from flat(value)
        else:
            yield name, value


def one_of(name: str, index: tuple[int, ...]) -> str:
    """The name of one value of a metric."""
    return f"{name}[{','.join(map(str, index))}]"
