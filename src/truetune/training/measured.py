"""Nothing is believed that was not measured: stated hyperparameters, found again on the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from truetune.errors import SpaceError, TruetuneError
from truetune.space import Value
from truetune.training.fit import DEFAULT_BATCH_SIZE, History

RELATIVE_ROUNDING = 1e-6
"""A stated 0.1 is found as 0.10000000149 in 32 bits."""

OPTIMIZER_CLASSES = {
    name.lower(): kind
    for name, kind in vars(keras.optimizers).items()
    if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)
}


def check_built(model: Any, values: Mapping[str, Value], hypermodel: Any = None) -> None:
    """Compare what `values` state with what the built model has.

    Looked at are the optimizer's class and its learning rate (unless a schedule sets it), and whatever the builder
    can read back itself: a builder may have a method `read_back(model) -> dict` of hyperparameters by name.

    Raises:
        SpaceError: a value is not what the model has, or the model is not compiled.
    """
    if getattr(model, "optimizer", None) is None:
        raise SpaceError("The builder returned a model without optimizer. Expected a compiled model; call `compile`.")
    measured = _measured_optimizer(model.optimizer, values)
    read_back = getattr(hypermodel, "read_back", None)
    if read_back is not None:
        measured |= read_back(model)
    for name, found in measured.items():
        if name in values and not _agree(values[name], found):
            raise SpaceError(
                f"Hyperparameter '{name}' is {values[name]!r}, but the built model has {found!r}. Expected the stated "
                "value on the model; check how the builder passes it on."
            )


def check_steps(model: Any, values: Mapping[str, Value], n_rows: int, epochs: int) -> None:
    """Batch size and epochs, found on the optimizer of a trained model: it counts its steps.

    Raises:
        SpaceError: it made another number of steps than `epochs` in batches of the stated size.
    """
    if hasattr(model.optimizer, "inner_optimizer"):
        return  # loss scaling skips steps that overflow
    batch_size = int(values.get("batch_size", DEFAULT_BATCH_SIZE))
    expected = epochs * math.ceil(n_rows / batch_size)
    if int(model.optimizer.iterations) != expected:
        raise SpaceError(
            f"{epochs} epochs of {n_rows} rows in batches of {batch_size} are {expected} steps, but the optimizer "
            f"made {int(model.optimizer.iterations)}. Check what in the model changes its training loop."
        )


def check_finite(history: History) -> None:
    """Raises TruetuneError when the loss became NaN or infinite."""
    for epoch, loss in enumerate(history.get("loss", []), start=1):
        if not math.isfinite(loss):
            raise TruetuneError(
                f"The loss became {loss} in epoch {epoch}. Expected a finite loss; lower the learning rate."
            )


def _measured_optimizer(optimizer: Any, values: Mapping[str, Value]) -> dict[str, Value]:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    measured: dict[str, Value] = {}
    stated = values.get("optimizer")
    if isinstance(stated, str) and stated.lower() in OPTIMIZER_CLASSES:
        is_stated = type(optimizer) is OPTIMIZER_CLASSES[stated.lower()]
        measured["optimizer"] = stated if is_stated else type(optimizer).__name__
    rate = getattr(optimizer, "_learning_rate", None)  # MultiOptimizer has none; a schedule is no single number
    if rate is not None and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        measured["learning_rate"] = float(rate)
    return measured


def _agree(stated: Value, found: Value) -> bool:
    if isinstance(stated, (str, bool)) or isinstance(found, (str, bool)):
        return stated == found
    return math.isclose(stated, found, rel_tol=RELATIVE_ROUNDING, abs_tol=1e-12)
