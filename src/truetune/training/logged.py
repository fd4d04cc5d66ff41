"""What Keras logs, as plain numbers: a metric may have a value for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """`logs` by name; a metric that is an array, as `keras.metrics.F1Score()` is, has a name for each of its values.

    Args:
        logs: metrics as Keras logs them: numbers, arrays or tensors.

    Returns:
        `accuracy`, `f1_score[0]`, `f1_score[1]`, `confusion[0,1]`, …; each may be an objective.
    """
    found: dict[str, float] = {}
    for name, value in logs.items():
        if np.ndim(value) == 0:
            found[name] = float(value)
        else:
            found |= {one_of(name, index): float(number) for index, number in np.ndenumerate(np.asarray(value))}
    return found


def one_of(name: str, index: tuple[int, ...]) -> str:
    """The name of one value of a metric."""
    return f"{name}[{','.join(map(str, index))}]"
