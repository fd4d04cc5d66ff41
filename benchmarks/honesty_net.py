"""The cheap model of the honesty benchmark: one hidden layer, trained by Keras in hundredths of a second."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np

UNITS = (2, 4, 8, 16, 32)
BATCH = 64

_COMPILED: dict[tuple[int, int, int, int], Any] = {}
"""Models by shape. Tracing one takes longer than a hundred trainings of it, so its variables are drawn anew."""


class SmallNet(keras_tuner.HyperModel):
    """One hidden layer of tanh units for two classes; its `fit` trains batch by batch, as KerasTuner allows.

    Args:
        n_features: columns of X.
        columns: name of a choice of columns → its first column and the one after its last; empty for all columns.
        rates: learning rates to choose from; None searches the range.
        draws: how many settings there are that only draw other random numbers.
    """

    def __init__(
        self,
        n_features: int,
        columns: Mapping[str, tuple[int, int]] | None = None,
        rates: Sequence[float] | None = None,
        draws: int = 1,
    ) -> None:
        super().__init__()
        self.n_features, self.columns = n_features, dict(columns or {})
        self.rates, self.draws = rates, draws

    def build(self, hp: Any) -> Any:
        units = hp.Choice("units", list(UNITS))
        if self.rates is None:
            rate = hp.Float("learning_rate", 0.01, 3.0, sampling="log")
        else:
            rate = hp.Choice("learning_rate", list(self.rates))
        first, last = 0, self.n_features
        if self.columns:
            first, last = self.columns[hp.Choice("columns", list(self.columns))]
        draw = hp.Int("draw", 0, self.draws - 1) if self.draws > 1 else 0
        return _fresh(self.n_features, first, last, units, rate, draw)

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **arguments: Any) -> keras.callbacks.History:
        """Batches in random order; what does not fill a batch is left out of an epoch, as another shape is traced."""
        history = keras.callbacks.History()
        callbacks = keras.callbacks.CallbackList([history, *(arguments.get("callbacks") or ())], model=model)
        callbacks.on_train_begin()
        for epoch in range(arguments.get("initial_epoch", 0), arguments["epochs"]):
            callbacks.on_epoch_begin(epoch)
            logs = _epoch(model, x, y, arguments.get("validation_data"))
            callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        callbacks.on_train_end()
        return history


def _epoch(model: Any, x: Any, y: Any, validation: Any) -> dict[str, float]:
    order = np.random.permutation(len(x))
    size = min(BATCH, len(x))
    model.reset_metrics()
    logs: dict[str, Any] = {}
    for start in range(0, len(x) - size + 1, size):
        rows = order[start : start + size]
        logs = model.train_on_batch(x[rows], y[rows], return_dict=True)
    found = {name: float(value) for name, value in logs.items()}
    if validation is not None:
        model.reset_metrics()
        held = model.test_on_batch(*validation, return_dict=True)
        found |= {f"val_{name}": float(value) for name, value in held.items()}
    return found


def _fresh(n_features: int, first: int, last: int, units: int, rate: float, draw: int) -> Any:
    """A compiled model with newly drawn weights."""
    shape = (n_features, first, last, units)
    if shape not in _COMPILED:
        _COMPILED[shape] = _compiled(*shape)
    model = _COMPILED[shape]
    for _ in range(draw):
        random.random()
    for layer in model.layers:
        for variable in layer.trainable_variables:
            variable.assign(_drawn(variable))
    model.optimizer.learning_rate = rate
    model.optimizer.iterations.assign(0)
    model.stop_training = False
    return model


def _drawn(variable: Any) -> Any:
    if len(variable.shape) < 2:
        return np.zeros(variable.shape)
    return keras.initializers.GlorotUniform(seed=random.randrange(2**31))(variable.shape)


def _compiled(n_features: int, first: int, last: int, units: int) -> Any:
    rows = keras.Input((n_features,))
    seen = rows if (first, last) == (0, n_features) else rows[:, first:last]
    hidden = keras.layers.Dense(units, activation="tanh")(seen)
    model = keras.Model(rows, keras.layers.Dense(1, activation="sigmoid")(hidden))
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model
