"""Nothing is believed that was not measured: stated hyperparameters, found again on the model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from truetune.errors import InputError, SpaceError, TruetuneError
from truetune.recipe import inner_layers
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


@dataclass(frozen=True)
class Movement:
    """Which weights a stage has moved.

    Attributes:
        digests: of every weight when the stage began, in the order of `model.weights`.
    """

    digests: tuple[str, ...]

    @classmethod
    def before(cls, model: Any) -> Movement:
        """To be asked when the stage has been trained."""
        return cls(tuple(_digests(model)))

    def _moved(self, model: Any) -> set[int]:
        pairs = zip(model.weights, self.digests, _digests(model), strict=True)
        return {id(weight) for weight, before, now in pairs if before != now}

    def check(self, model: Any, stage: str) -> None:
        """Raises FrozenWeightsMoved (frozen weights moved), UnmovedWeights (those to be trained did not)."""
        moved, trained = self._moved(model), {id(weight) for weight in model.trainable_weights}
        layers = _own_weights(model)
        frozen = [layer.name for layer, own in layers if any(id(w) in moved - trained for w in own)]
        if frozen:
            raise FrozenWeightsMoved(
                f"Stage '{stage}' moved weights of layers that were frozen: {', '.join(frozen)}. Expected them to stay "
                "as they were; look for code that assigns weights, such as a callback or a training step of your own."
            )
        to_be_trained = [(layer, own) for layer, own in layers if any(id(w) in trained for w in own)]
        still = [layer.name for layer, own in to_be_trained if not any(id(w) in moved for w in own)]
        if still:
            raise UnmovedWeights(
                f"Stage '{stage}' was to train {', '.join(still)}, whose weights have not moved at all. Expected them "
                "to change; look for a learning rate of 0, a part that the loss does not depend on, or dead units."
            )

    def notes(self, model: Any, stage: str) -> list[str]:
        """Normalisation in training mode inside a part that is frozen."""
        moved, trained = self._moved(model), {id(weight) for weight in model.trainable_weights}
        ran = [
            layer.name
            for layer, _ in inner_layers(model)
            if any(id(weight) in moved for weight in layer._non_trainable_variables)
            and _is_in_frozen_part(layer, trained)
        ]
        if not ran:
            return []
        return [
            f"In stage '{stage}', {', '.join(dict.fromkeys(ran))} ran in training mode inside a frozen part: the "
            "statistics moved. Freeze these layers too, or unfreeze the part that they belong to."
        ]


class UnmovedWeights(TruetuneError):
    """Weights that a stage was to train have not moved."""


class FrozenWeightsMoved(InputError):
    """A stage moved weights that were frozen."""


def _digests(model: Any) -> list[str]:
    return [hashlib.blake2b(np.asarray(w).tobytes(), digest_size=8).hexdigest() for w in model.weights]


def _own_weights(model: Any) -> list[tuple[Any, list[Any]]]:
    """Every layer with the weights of its own that training moves where it is not frozen."""
    every = {id(layer): layer for layer in [model, *(layer for layer, _ in inner_layers(model))]}
    return [(layer, list(layer._trainable_variables)) for layer in every.values() if layer._trainable_variables]


def _is_in_frozen_part(layer: Any, trained: set[int]) -> bool:
    """Whether its own weights, or those of the layer that it follows, are not trained."""
    own = layer._trainable_variables
    if own and not any(id(weight) in trained for weight in own):
        return True
    before = [tensor._keras_history.operation for node in layer._inbound_nodes for tensor in node.input_tensors]
    return any(
        getattr(other, "weights", None) and not any(id(weight) in trained for weight in other.weights)
        for other in before
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
