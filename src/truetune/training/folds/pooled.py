"""Metrics over several validation parts at once, from what Keras' metrics counted on each.

After an evaluation the variables of a compiled model's metrics hold what they counted: hits and rows, sums of squares,
a confusion matrix. Added up over several parts and put back, they give the metric of all parts together, which a mean
of the parts' values is not where parts lack classes or differ in size.

One value is not exact: in the loss of a single head of several (`val_emotion_loss`) Keras 3.15 counts every batch the
same, whatever its size, already within one part. The loss of all heads together is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from truetune.data.dataset import Array, Arrays, Dataset, named
from truetune.training.logged import flat, numbers, one_of
from truetune.training.rows import x_y_weights

State = list[Array]

ROWS_AT_ONCE = 256
"""Of an evaluation; bounds its memory."""


def metric_state(model: Any) -> State:
    """What the model's metrics (the loss among them) counted in the last evaluation, one array a variable."""
    return [np.asarray(variable).copy() for variable in model.metrics_variables]


def added(states: Sequence[State]) -> State:
    """The states of several parts as one."""
    return [np.sum(variables, axis=0) for variables in zip(*states, strict=True)]


def build_metrics(model: Any, state: State, rows: Callable[[], Dataset]) -> None:
    """Make `model` able to take `state`: Keras builds metrics in the first evaluation, here of one of `rows`."""
    if len(model.metrics_variables) < len(state):
        states_of_parts(model, rows(), [np.arange(1)])


def metrics_of(model: Any, state: State) -> dict[str, float]:
    """The value of every metric, by the name Keras logs it under in `evaluate`, for a counted `state`."""
    for variable, value in zip(model.metrics_variables, state, strict=True):
        variable.assign(value.astype(variable.dtype))
    return numbers(model.get_metrics_result())


def states_of_parts(model: Any, rows: Dataset, parts: Sequence[Array]) -> list[State]:
    """What the metrics count on each of `parts`, which are row numbers of `rows`.

    The model is evaluated batch by batch without the set-up of an `evaluate`, which takes fifty times as long as a
    small part itself.
    """
    columns = [_in_keras_precision(column) for column in x_y_weights(rows)]
    return [added([_counted(model, columns, rows) for rows in _steps(part)]) for part in parts]


def _steps(part: Array) -> list[Array]:
    return [part[start : start + ROWS_AT_ONCE] for start in range(0, len(part), ROWS_AT_ONCE)]


def _counted(model: Any, columns: Sequence[Mapping[str, Array]], rows: Array) -> State:
    model.test_on_batch(*(_rows(column, rows) for column in columns))  # forgets what was counted before
    return metric_state(model)


def resampled_metrics(model: Any, states: Sequence[State], counts: Array) -> dict[str, Array]:
    """Every metric over parts drawn with replacement.

    Args:
        model: compiled, and evaluated once.
        states: of each part.
        counts: how often each part is in each draw, shape (n_draws, n_parts).

    Returns:
        By name as `logged.numbers` gives them, shape (n_draws,).
    """
    variables = model.metrics_variables
    sums = [np.tensordot(counts, np.stack(parts).astype(np.float64), 1) for parts in zip(*states, strict=True)]

    def metrics(values: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return model.get_metrics_result()

    drawn = [tf.cast(total, variable.dtype) for total, variable in zip(sums, variables, strict=True)]
    found = tf.function(lambda states: tf.vectorized_map(metrics, states))(drawn)
    resampled: dict[str, Array] = {}
    for name, drawn_values in flat(found):
        by_draw = np.asarray(drawn_values, np.float64)
        for index in np.ndindex(by_draw.shape[1:]):
            resampled[one_of(name, index) if index else name] = by_draw[(slice(None), *index)]
    return resampled


def _in_keras_precision(arrays: Arrays) -> dict[str, Array]:
    return {
        name: values.astype(keras.backend.floatx()) if np.issubdtype(values.dtype, np.floating) else values
        for name, values in named(arrays).items()
    }


def _rows(arrays: Mapping[str, Array], chosen: Array) -> Any:
    taken = {name: values[chosen] for name, values in arrays.items()}
    return taken[""] if list(taken) == [""] else taken
