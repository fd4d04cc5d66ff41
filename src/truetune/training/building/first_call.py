"""A model without an input layer has no weights until it sees its first rows. It is shown some before it is trained, so
that its weights can be counted, copied for every fold, and gone on from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from truetune.data.dataset import Dataset
from truetune.training.rows import x_y_weights

UNBUILT = (
    "{model} makes its weights only while it is trained: it could not be called on a batch of rows before ({why}). "
    "So a trial that is interrupted starts again from its beginning, and its weights are not counted. Give it an Input "
    "layer, or a `call` that takes what the rows have."
)


def n_parameters(model: Any) -> int:
    """How many numbers the weights have; 0 where none is made yet."""
    return sum(int(np.prod(weight.shape)) for weight in model.weights)


def is_built(model: Any) -> bool:
    """Whether every layer has its weights."""
    return bool(model.built) and _parts_are_built(model)


def _parts_are_built(model: Any) -> bool:
    return all(layer.built for layer in model._flatten_layers(include_self=False, recursive=True))


def _can_be_called(model: Any) -> bool:
    return type(model).call is not keras.Model.call


def show_rows(model: Any, rows: Dataset) -> str:
    """Let `model` make its weights, as Keras would at the first batch of `rows`.

    The model is called symbolically: no row is computed, no statistic moves, and what its initializers draw is what
    they would draw in `fit`. A model without `call` of its own (a GAN, say) is the sum of its parts.

    Returns:
        Why that was not possible; empty where the model has its weights now.
    """
    if not _can_be_called(model) and _parts_are_built(model):
        model.built = True  # else Keras writes no weights of it
    if is_built(model):
        return ""
    few = _symbolic_size(len(rows))
    why = ""
    for batch in (None, few):
        try:
            model(_symbolic(x_y_weights(rows.take(np.arange(1)))[0], batch), training=False)
        except Exception as error:  # of the user's `call`; `fit` shows it again where it matters
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        if is_built(model):
            return ""
    return why or "some of its layers are not part of that call"


def _symbolic_size(n_rows: int) -> int:
    return min(n_rows, 32)


def _symbolic(columns: Any, batch: int | None) -> Any:
    if isinstance(columns, Mapping):
        return {name: _symbolic(column, batch) for name, column in columns.items()}
    if isinstance(columns, (list, tuple)):
        return type(columns)(_symbolic(column, batch) for column in columns)
    values = np.asarray(columns)
    return keras.KerasTensor((batch, *values.shape[1:]), _keras_dtype(values))


def _keras_dtype(values: Any) -> str:
    if np.issubdtype(values.dtype, np.floating):
        return str(keras.config.floatx())
    return str(tf.convert_to_tensor(values).dtype.name)
