"""A model on its way through the stages of its training. A training without stages has one, which prepares nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import keras
import numpy as np

from truetune.data.dataset import Array
from truetune.errors import InputError, SpaceError
from truetune.recipe import Callbacks, FitRecipe, Prepare, inner_layers
from truetune.seeds import derive_seed
from truetune.training.fit import seed_everything
from truetune.training.recipe import accepts


@dataclass(frozen=True)
class PlannedStage:
    """A stage of one training; `epochs` None is as many as the training may have. See `recipe.Stage`."""

    name: str = ""
    epochs: int | None = None
    prepare: Prepare | None = None
    callbacks: Callbacks | None = None
    patience: int | None = None
    start_from: Literal["best", "last"] = "best"


def planned_stages(recipe: FitRecipe, hp: Any, patience: int | None) -> tuple[PlannedStage, ...]:
    """The stages of a training with the values of `hp`.

    Raises:
        SpaceError: a stage's epochs are unknown, or none has any.
    """
    if not recipe.stages:
        return (PlannedStage(patience=patience),)
    planned = tuple(
        PlannedStage(
            stage.name,
            stage.epochs_of(hp.values),
            stage.prepare,
            stage.callbacks,
            patience if stage.patience is None else stage.patience,
            stage.start_from,
        )
        for stage in recipe.stages
    )
    if not sum(stage.epochs or 0 for stage in planned):
        raise SpaceError("All stages together train 0 epochs. Expected at least 1; raise the lower end of a range.")
    return planned


def as_trained(planned: Sequence[PlannedStage], epochs: Sequence[int]) -> tuple[PlannedStage, ...]:
    """`planned`, but stages before the last of `epochs` train so many and hand on their last weights: what led to kept
    weights is trained again, without looking where it was best.
    """
    last = len(epochs) - 1
    found = []
    for number, stage in enumerate(planned):
        stage = replace(stage, epochs=epochs[number], patience=None) if number < last else stage
        found.append(replace(stage, start_from="last") if number <= last else stage)
    return tuple(found)


def total_epochs(planned: Sequence[PlannedStage], otherwise: int) -> int:
    """Of all stages together; `otherwise` for a training without."""
    return otherwise if planned[0].epochs is None else sum(stage.epochs or 0 for stage in planned)


@dataclass(frozen=True)
class AsBuilt:
    """A compiled model as the builder returned it.

    Attributes:
        variables: of the model, without the optimizer's.
        trainable: of every layer, outer ones first.
        compiled: the arguments of `compile`.
    """

    variables: tuple[Array, ...]
    trainable: tuple[bool, ...]
    compiled: Mapping[str, Any]

    @classmethod
    def of(cls, model: Any) -> AsBuilt:
        variables = tuple(np.asarray(v).copy() for v in model.variables)
        return cls(variables, tuple(bool(layer.trainable) for layer in _layers(model)), compile_arguments(model))

    def put_back(self, model: Any) -> None:
        """Undo what stages did to `model`; the optimizer is the builder's own again."""
        for layer, trainable in zip(_layers(model), self.trainable, strict=True):
            layer.trainable = trainable
        for variable, value in zip(model.variables, self.variables, strict=True):
            variable.assign(value)
        model.compile(**self.compiled)


def compile_arguments(model: Any) -> dict[str, Any]:
    """What `model` was compiled with; `_compile_config` is private API of Keras, which a test pins."""
    return {**model._compile_config.config, "optimizer": model.optimizer}


def fresh_optimizer(optimizer: Any) -> Any:
    """One of the same settings, that has made no step yet.

    Raises:
        InputError: an optimizer of the user's own cannot be made from its config.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        scaling = {"initial_scale": optimizer.initial_scale, "dynamic_growth_steps": optimizer.dynamic_growth_steps}
        return type(optimizer)(fresh_optimizer(optimizer.inner_optimizer), name=optimizer.name, **scaling)
    try:
        return type(optimizer).from_config(_settings(optimizer))
    except (NotImplementedError, TypeError, ValueError) as error:
        kind = type(optimizer).__name__
        raise InputError(
            f"Every stage begins with a fresh optimizer, and {kind} cannot be made anew: {error}. Expected a "
            "get_config that returns the arguments of its constructor."
        ) from error


def _settings(optimizer: Any) -> dict[str, Any]:
    """Arguments of its constructor. A schedule of the learning rate, or a function, is passed on as it is: one of the
    user's own may have no config.
    """
    rate = getattr(optimizer, "_learning_rate", None)
    if rate is None or isinstance(rate, keras.Variable):
        return dict(optimizer.get_config())
    optimizer._learning_rate = 0.0
    try:
        return {**optimizer.get_config(), "learning_rate": rate}
    finally:
        optimizer._learning_rate = rate


class Start(Protocol):
    """What a training begins from."""

    def put_back(self, model: Any) -> None: ...


class Stages:
    """Leads one model through its stages; without a `prepare`, the model is never touched.

    Args:
        model: as built.
        planned: the stages.
        hp: of the training.
        seed: of the training; what a `prepare` draws follows from it.
        start: what a training without stages begins anew from; None where it never does.
    """

    def __init__(
        self, model: Any, planned: Sequence[PlannedStage], hp: Any, seed: int, start: Start | None = None
    ) -> None:
        self.model, self.planned, self._hp, self._seed = model, tuple(planned), hp, seed
        self._start = start
        self.is_staged = planned[0].epochs is not None
        self._as_built = AsBuilt.of(model) if self.is_staged else None
        self._current = -1

    @property
    def names(self) -> list[str]:
        return [stage.name for stage in self.planned]

    def is_last(self, number: int) -> bool:
        """Whether no stage after `number` trains anything."""
        return not any(stage.epochs for stage in self.planned[number + 1 :])

    def enter(self, number: int) -> None:
        """Prepare the model for stage `number`, after those before it; its weights are left to the caller."""
        if self._as_built is None:
            return
        if self._current > number:
            self.begin_anew()
        while self._current < number:
            self._current += 1
            self._prepare(self.planned[self._current])

    def begin_anew(self) -> None:
        """The model as it was built: weights, what is trainable, and optimizer."""
        if self._as_built is not None:
            self._as_built.put_back(self.model)
        elif self._start is not None:
            self._start.put_back(self.model)
        self._current = -1

    def rehearse(self) -> None:
        """Prepare every stage and undo it: `hp` has been asked for all, and a wrong `prepare` is known before training.

        Raises:
            InputError: a stage has nothing to train.
        """
        if self._as_built is not None:
            self.enter(len(self.planned) - 1)
            self.begin_anew()

    def _prepare(self, stage: PlannedStage) -> None:
        model = self.model
        seed_everything(derive_seed(self._seed, "stage", stage.name))
        arguments = compile_arguments(model)
        assert self._as_built is not None
        model.compile(**arguments | {"optimizer": fresh_optimizer(self._as_built.compiled["optimizer"])})
        if stage.prepare is not None:
            given = model.optimizer
            _call(stage.prepare, stage.name, model, self._hp)
            if model.optimizer is given:  # what is trainable may have changed, which Keras takes in when it compiles
                model.compile(**compile_arguments(model) | {"optimizer": fresh_optimizer(given)})
        if not model.trainable_variables:
            raise InputError(
                f"Stage '{stage.name}' has nothing to train: every layer is frozen when it begins. Expected a prepare "
                "that leaves or makes some layers trainable, for example truetune.unfreeze('head')."
            )


def _call(prepare: Callable[..., None], stage: str, model: Any, hp: Any) -> None:
    """`prepare(model, hp)`, or `prepare(model)` if it takes one argument; an exception gets a note of the stage."""
    arguments = (model, hp) if accepts(prepare, model, hp) else (model,)
    try:
        prepare(*arguments)
    except Exception as error:
        error.add_note(f"in prepare of stage '{stage}'")
        raise


def _layers(model: Any) -> list[Any]:
    return [model, *(layer for layer, _ in inner_layers(model))]
