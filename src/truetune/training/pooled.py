"""Metrics over several validation parts at once, from what Keras' metrics counted on each.

After an evaluation the variables of a compiled model's metrics hold what they counted: hits and rows, sums of squares,
a confusion matrix. Added up over several parts and put back, they give the metric of all parts together, which a mean
of the parts' values is not where parts lack classes or differ in size.

One value is not exact: in the loss of a single head of several (`val_emotion_loss`) Keras 3.15 counts every batch the
same, whatever its size, already within one part. The loss of all heads together is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from truetune.data.dataset import Array

State = list[Array]


def metric_state(model: Any) -> State:
    """What the model's metrics (the loss among them) counted in the last evaluation, one array a variable."""
    return [np.asarray(variable).copy() for variable in model.metrics_variables]


def added(states: Sequence[State]) -> State:
    """The states of several parts as one."""
    return [np.sum(variables, axis=0) for variables in zip(*states, strict=True)]


def metrics_of(model: Any, state: State) -> dict[str, float]:
    """The value of every metric, by the name Keras logs it under in `evaluate`, for a counted `state`."""
    for variable, value in zip(model.metrics_variables, state, strict=True):
        variable.assign(value.astype(variable.dtype))
    return {name: float(value) for name, value in model.get_metrics_result().items()}
