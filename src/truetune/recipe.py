"""How a task's models are trained: callbacks, class weights, stages. Light: importing it loads no Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from truetune.errors import InputError, SpaceError
from truetune.space import Space, Value

BALANCED = "balanced"

Callbacks = Callable[[Any], Sequence[Any]] | Callable[[], Sequence[Any]]
Prepare = Callable[[Any, Any], None] | Callable[[Any], None]


@dataclass(frozen=True)
class Stage:
    """One part of a training in stages.

    Attributes:
        name: shown while it is trained, and recorded.
        epochs: a number, or the name of a hyperparameter that the builder or the callbacks ask for.
        prepare: `prepare(model, hp)` or `prepare(model)` sets what is trainable, before the first epoch. The model then
            has a fresh optimizer, set as the builder's was; `prepare` may change its learning rate, or compile with
            another. None trains what the builder left trainable.
        callbacks: `lambda hp: [...]`, for this stage alone; they count epochs from its beginning.
        patience: epochs of this stage without improvement after which it ends; None takes the task's.
        start_from: "best" begins with the best weights of the stage before, "last" with its last.
    """

    name: str
    epochs: int | str
    prepare: Prepare | None = None
    callbacks: Callbacks | None = None
    patience: int | None = None
    start_from: Literal["best", "last"] = "best"

    def __post_init__(self) -> None:
        where = f"Stage {self.name!r}"
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"A stage's name is {self.name!r}. Expected text such as 'head'.")
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, (int, str)) or self.epochs in ("", 0):
            raise InputError(
                f"{where} has epochs={self.epochs!r}. Expected a number of at least 1, or the name of a hyperparameter."
            )
        if isinstance(self.epochs, int) and self.epochs < 1:
            raise InputError(f"{where} has epochs={self.epochs}. Expected at least 1; leave the stage out instead.")
        if self.prepare is not None and not callable(self.prepare):
            raise InputError(f"{where} has prepare={self.prepare!r}. Expected a function prepare(model, hp).")
        if self.start_from not in ("best", "last"):
            raise InputError(f"{where} has start_from={self.start_from!r}. Expected 'best' or 'last'.")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"{where} has patience={self.patience}. Expected at least 1, or None for the task's.")
        check_callbacks(self.callbacks, f"{where} has callbacks")

    def epochs_of(self, values: Mapping[str, Value]) -> int:
        """How many epochs it trains in a trial with `values`, by name; 0 leaves it out.

        Raises:
            SpaceError: nobody asked for the hyperparameter, or its value is no number of epochs.
        """
        if isinstance(self.epochs, int):
            return self.epochs
        if self.epochs not in values:
            raise SpaceError(
                f"Stage '{self.name}' takes its epochs from hyperparameter '{self.epochs}', which nobody asked for. "
                f"Known: {', '.join(sorted(values)) or 'none'}. Ask for it in the builder or in the callbacks "
                f"function, for example hp.Int('{self.epochs}', 1, 20)."
            )
        epochs = values[self.epochs]
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 0:
            raise SpaceError(
                f"Stage '{self.name}' takes its epochs from the hyperparameter '{self.epochs}', which is {epochs!r}. "
                "Expected an integer of at least 0; declare it with hp.Int."
            )
        return epochs

    def most_epochs(self, space: Space) -> int:
        """The most that it may train."""
        if isinstance(self.epochs, int):
            return self.epochs
        entries = [hp for hp in space.entries.values() if hp.name == self.epochs]
        return max([0, *(int(v) for hp in entries for v in (*hp.choices, hp.high) if isinstance(v, (int, float)))])


@dataclass(frozen=True)
class FitRecipe:
    """How models are trained, in trials, re-evaluation, retraining and verification alike.

    Attributes:
        callbacks: `lambda hp: [...]` makes new callbacks for every training; they see all of its stages.
        class_weight: "balanced" (from the training rows of each fold), a dict of weights by class number, or a function
            of `hp` that returns one of these or None.
        stages: trained one after the other; none is one plain training of `Task.epochs`.
    """

    callbacks: Callbacks | None = None
    class_weight: Any = None
    stages: Sequence[Stage] = ()

    def __post_init__(self) -> None:
        check_callbacks(self.callbacks, "FitRecipe has callbacks")
        object.__setattr__(self, "stages", tuple(self.stages))
        if not all(isinstance(stage, Stage) for stage in self.stages):
            kinds = ", ".join(type(stage).__name__ for stage in self.stages)
            raise InputError(f"FitRecipe has stages of {kinds}. Expected a list of truetune.Stage.")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise InputError(f"The stages are named {', '.join(names)}. Expected a name of its own for each.")
        if not callable(self.class_weight):
            check_class_weight(self.class_weight)

    @property
    def changes_training(self) -> bool:
        """Whether training is more than one `fit` at the learning rate of the builder."""
        return self.callbacks is not None or bool(self.stages)

    def most_epochs(self, epochs: int, space: Space) -> int:
        """The most epochs of one training: of all stages together, else `epochs`."""
        return sum(stage.most_epochs(space) for stage in self.stages) if self.stages else epochs


def check_callbacks(callbacks: object, which: str) -> None:
    """Raises InputError where callbacks would be shared by all trainings."""
    if callbacks is None or (callable(callbacks) and not hasattr(callbacks, "on_epoch_end")):
        return
    raise InputError(
        f"{which}={callbacks!r}. Expected a function that makes new ones for every training, since callbacks keep what "
        "they have seen; write callbacks=lambda hp: [...]."
    )


def check_class_weight(weights: object) -> None:
    """Raises InputError where `weights` is neither None, "balanced" nor a dict of numbers by class number."""
    if weights is None or weights == BALANCED:
        return
    if isinstance(weights, Mapping) and weights:
        classes = all(isinstance(c, int) and not isinstance(c, bool) and c >= 0 for c in weights)
        numbers = all(isinstance(w, (int, float)) and not isinstance(w, bool) and w >= 0 for w in weights.values())
        if classes and numbers:
            return
    raise InputError(
        f"class_weight is {weights!r}. Expected 'balanced', a dict of weights by class number such as "
        "{0: 1.0, 1: 3.0}, or a function of hp that returns one of these."
    )


@dataclass(frozen=True)
class SetTrainable:
    """A `prepare`: layers whose names begin with one of `prefixes`, also inside nested models, become trainable or not.

    Everything else stays as the stage before left it; a BatchNormalization layer of a part that stays frozen stays
    frozen, and so keeps its statistics.
    """

    prefixes: tuple[str, ...]
    trainable: bool
    learning_rate: float | str | None = None

    def __call__(self, model: Any, hp: Any) -> None:
        chosen = self._chosen(model)
        if self.trainable:
            _unfreeze(model, chosen)
        else:
            for layer in chosen:
                layer.trainable = False
        if self.learning_rate is not None:
            rate = hp.get(self.learning_rate) if isinstance(self.learning_rate, str) else self.learning_rate
            _set_rate(model.optimizer, rate)

    def _chosen(self, model: Any) -> list[Any]:
        layers = [layer for layer, _ in inner_layers(model)]
        unmatched = [p for p in self.prefixes if not any(layer.name.startswith(p) for layer in layers)]
        if unmatched:
            names = ", ".join(layer.name for layer in layers[:40])
            raise InputError(
                f"No layer's name begins with {', '.join(map(repr, unmatched))}. Expected the beginning of one of: "
                f"{names}{', …' if len(layers) > 40 else ''}."
            )
        return [layer for layer in layers if layer.name.startswith(self.prefixes)]


def _set_rate(optimizer: Any, rate: Any) -> None:
    try:
        optimizer.learning_rate = rate
    except TypeError as error:
        raise InputError(
            f"A stage sets the learning rate to {rate}, but the builder compiles with a schedule: {error} Expected a "
            "number as the builder's learning rate, or a prepare that compiles the model itself."
        ) from error


def unfreeze(*prefixes: str, learning_rate: float | str | None = None) -> SetTrainable:
    """A `prepare` for a stage: layers whose names begin so are trained too.

    Args:
        prefixes: beginnings of layer names, also of layers inside nested models; none means every layer.
        learning_rate: of the stage: a number, or the name of a hyperparameter; None keeps the builder's.

    Raises (when the stage is prepared):
        InputError: a prefix fits no layer.
    """
    return SetTrainable(prefixes or ("",), True, learning_rate)


def freeze(*prefixes: str, learning_rate: float | str | None = None) -> SetTrainable:
    """As `unfreeze`, for layers that are not trained any more."""
    if not prefixes:
        raise InputError("freeze() was called without a name. Expected beginnings of layer names: freeze('backbone').")
    return SetTrainable(prefixes, False, learning_rate)


def inner_layers(model: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every layer inside `model`, also those of nested models, with the layers and models around it."""

    def walk(part: Any, around: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        for layer in part._layers:
            if hasattr(layer, "trainable"):
                yield layer, (*around, part)
                yield from walk(layer, (*around, part))

    return walk(model, ())


def _unfreeze(model: Any, chosen: Sequence[Any]) -> None:
    """Keras hands `trainable` down: a frozen model is opened around the chosen layers, and the others are put back."""
    wanted = {id(layer) for layer in chosen}
    every = [(layer, around) for layer, around in inner_layers(model)]
    opened = {id(part) for layer, around in every if id(layer) in wanted for part in around}
    flags = {
        id(layer): bool(layer.trainable) or id(layer) in wanted | opened or any(id(part) in wanted for part in around)
        for layer, around in every
    }
    model.trainable = True
    for layer, _ in every:
        layer.trainable = flags[id(layer)]
