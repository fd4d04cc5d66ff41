"""What a recipe asks for and makes in a worker: new callbacks, weights of the classes, hyperparameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from truetune.data.dataset import Array, Dataset, named
from truetune.errors import DataError, InputError
from truetune.recipe import BALANCED, Callbacks, FitRecipe, check_class_weight
from truetune.training.checkpoints.callback_state import CallbackStates

ClassWeight = Mapping[int, float] | str | None

DROPPED_BACKUP = (
    "keras.callbacks.BackupAndRestore is left out: every trial has a checkpoint of its own, and a folder that trials "
    "share would hand the weights of one to another."
)


@dataclass(frozen=True)
class Made:
    """The callbacks of one training, or of one of its stages; `notes` name those left out."""

    callbacks: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()


def make_callbacks(make: Callbacks | None, hp: Any) -> Made:
    """New callbacks.

    Raises:
        InputError: the function returned something else.
    """
    if make is None:
        return Made()
    found = call_with_hp(make, hp)
    callbacks = [found] if isinstance(found, keras.callbacks.Callback) else found
    if not isinstance(callbacks, (list, tuple)) or not all(isinstance(c, keras.callbacks.Callback) for c in callbacks):
        raise InputError(
            f"The callbacks function returned {found!r}. Expected a list of keras.callbacks.Callback, made anew in the "
            "function; write callbacks=lambda hp: [...]."
        )
    kept = tuple(c for c in callbacks if not isinstance(c, keras.callbacks.BackupAndRestore))
    return Made(kept, () if len(kept) == len(callbacks) else (DROPPED_BACKUP,))


def call_with_hp(function: Callable[..., Any], hp: Any) -> Any:
    """`function(hp)`, or `function()` where it takes no argument."""
    return function(hp) if accepts(function, hp) else function()


def accepts(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether `function` can be called with `arguments`."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    return True


def ask_all(recipe: FitRecipe, hp: Any) -> None:
    """Ask for every hyperparameter of the recipe that is not asked for in a `prepare`.

    Raises:
        SpaceError: a stage's epochs are a hyperparameter that nobody asks for.
        InputError: a function of the recipe returned something else than it should.
    """
    _check_new(make_callbacks(recipe.callbacks, hp), recipe.callbacks, hp)
    class_weight_of(recipe, hp)
    for stage in recipe.stages:
        _check_new(make_callbacks(stage.callbacks, hp), stage.callbacks, hp)
    for stage in recipe.stages:
        stage.epochs_of(hp.values)


def _check_new(made: Made, make: Callbacks | None, hp: Any) -> None:
    again = {id(callback) for callback in make_callbacks(make, hp).callbacks}
    shared = [type(callback).__name__ for callback in made.callbacks if id(callback) in again]
    if shared:
        raise InputError(
            f"The callbacks function returned the same {', '.join(shared)} twice. Expected new ones at every call, "
            "since callbacks keep what they have seen; make them inside the function."
        )


def class_weight_of(recipe: FitRecipe, hp: Any) -> ClassWeight:
    """The class weights of this training. Raises InputError."""
    weights = recipe.class_weight
    if callable(weights):
        weights = call_with_hp(weights, hp)
        check_class_weight(weights)
    return weights  # type: ignore[no-any-return]


def weighted(train: Dataset, class_weight: ClassWeight) -> Dataset:
    """`train` with the weight of its class multiplied into the weight of every row.

    Keras refuses `class_weight` beside weights of the rows, so it gets their product. Classes that are not named weigh
    1, as in Keras.

    "balanced" is n_rows / (n_classes · rows of the class), of the classes that these rows have: King & Zeng 2001, as in
    scikit-learn.

    Raises:
        DataError: the labels are no classes, or there are several outputs.
    """
    if class_weight is None:
        return train
    by_class, given = _weight_of_rows(class_weight, train), train.sample_weight
    if isinstance(given, Mapping):
        return replace(train, sample_weight={name: column * by_class for name, column in given.items()})
    return replace(train, sample_weight=by_class if given is None else given * by_class)


def _weight_of_rows(class_weight: Mapping[int, float] | str, train: Dataset) -> Array:
    """Shape (n_rows,)."""
    labels = _labels(train)
    if isinstance(class_weight, str):
        assert class_weight == BALANCED
        classes, rows, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return np.asarray((len(labels) / (len(classes) * counts))[rows], np.float32)
    return np.asarray([class_weight.get(int(label), 1.0) for label in labels], np.float32)


def _labels(train: Dataset) -> Array:
    """Class numbers of one output, from numbers or one-hot rows."""
    outputs = named(train.y)
    if len(outputs) > 1:
        raise DataError(
            f"class_weight was given for a task with the outputs {', '.join(outputs)}. Expected a single output, since "
            "a row has one weight; use weights in the loss of each output instead."
        )
    labels = np.asarray(next(iter(outputs.values())))
    if labels.ndim > 1 and labels.shape[-1] > 1:
        return np.asarray(np.argmax(labels, axis=-1)).reshape(len(labels))
    labels = labels.reshape(len(labels))
    if not np.array_equal(labels, np.round(labels)):
        raise DataError(
            "class_weight was given, but the labels are no class numbers (some are not whole). Expected class numbers "
            "or one-hot rows; leave class_weight out for a regression."
        )
    return labels.astype(np.int64)


class OwnCallbacks:
    """The callbacks of a recipe on their way through one training.

    Args:
        recipe: makes those that see the whole training.
        hp: of the training.
        usable: takes those that it can have; None takes all.
    """

    def __init__(self, recipe: FitRecipe, hp: Any, usable: Callable[[Sequence[Any]], Made] | None = None) -> None:
        self._hp, self._usable = hp, usable
        self.notes: list[str] = []
        self.left_out: list[Any] = []
        self._whole = self._make(recipe.callbacks)
        self._of_whole, self._of_stage = CallbackStates(self._whole), CallbackStates(())
        self._stage: tuple[Any, ...] = ()
        self._waiting: Sequence[Any] = ()
        self._has_begun = False

    def _make(self, make: Callbacks | None) -> tuple[Any, ...]:
        made = make_callbacks(make, self._hp)
        usable = Made(made.callbacks) if self._usable is None else self._usable(made.callbacks)
        self.notes += [*made.notes, *usable.notes]
        self.left_out += [callback for callback in made.callbacks if callback not in usable.callbacks]
        return usable.callbacks

    def of_stage(self, make: Callbacks | None, start: int, epochs: int, states: Sequence[Any] = ()) -> list[Any]:
        """Those of a stage that begins after `start` epochs, or goes on from `states`, in the order of their calls."""
        self._stage = self._make(make)
        self._of_stage = CallbackStates(self._stage)
        self._waiting = states
        n_whole = len(self._whole)
        self._of_whole.before(states[:n_whole], start == 0 and not self._has_begun)
        self._of_stage.before(states[n_whole:], True)
        return [*self._whole, *([FromStage(self._stage, start, epochs)] if self._stage else ())]

    def begun(self) -> None:
        """Keras has called every `on_train_begin`."""
        if not self._has_begun:
            self._of_whole.begun()
        self._of_stage.begun()
        self._has_begun = True
        if self._waiting:
            n_whole = len(self._whole)
            self._of_whole.restore(self._waiting[:n_whole])
            self._of_stage.restore(self._waiting[n_whole:])
        self._waiting = ()

    def states(self) -> list[Any]:
        """Of all, to be given to `of_stage` later."""
        return [*self._of_whole.take(), *self._of_stage.take()]

    def unkeepable(self) -> list[str]:
        """Classes of those whose state nobody can keep."""
        return sorted({*self._of_whole.unkeepable(), *self._of_stage.unkeepable()})


class FromStage(keras.callbacks.CallbackList):  # type: ignore[misc]
    """The callbacks of one stage, which count epochs from its beginning.

    Args:
        callbacks: of the stage.
        start: epochs before it.
        epochs: of the stage at most.
    """

    def __init__(self, callbacks: Sequence[Any], start: int, epochs: int) -> None:
        self._start, self._epochs = start, epochs
        super().__init__(list(callbacks))

    def set_params(self, params: Mapping[str, Any]) -> None:
        super().set_params({**(params or {}), "epochs": self._epochs})

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch - self._start, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(epoch - self._start, logs)


def watches_validation(callback: Any) -> bool:
    """Whether it would stop or change a training by what only validation rows can show."""
    return isinstance(callback, keras.callbacks.EarlyStopping) or str(getattr(callback, "monitor", "")).startswith(
        "val_"
    )


def lowers_rates(callback: Any) -> bool:
    return isinstance(callback, keras.callbacks.ReduceLROnPlateau)


class ReplayedRates(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate of every epoch; after the last one that is known, it stays.

    Args:
        rates: of the epochs of a stage.
        start: epochs before the stage.
    """

    def __init__(self, rates: Sequence[float], start: int) -> None:
        super().__init__()
        self._rates, self._start = tuple(rates), start

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        known = [rate for rate in self._rates[: epoch - self._start + 1] if np.isfinite(rate)]
        if known:
            self.model.optimizer.learning_rate = known[-1]


def without_validation(callbacks: Sequence[Any], rates_are_known: bool) -> Made:
    """Those that a training without validation rows can have, and what becomes of the others."""
    notes = []
    for callback in filter(watches_validation, callbacks):
        name = type(callback).__name__
        if isinstance(callback, keras.callbacks.EarlyStopping):
            notes.append(f"{name} is replaced by the number of epochs that the search found.")
        elif lowers_rates(callback) and rates_are_known:
            notes.append(f"{name}({callback.monitor}) is replaced by the learning rates that the search used.")
        else:
            notes.append(f"{name} is left out: there are no validation rows to measure {callback.monitor} on.")
    return Made(tuple(c for c in callbacks if not watches_validation(c)), tuple(notes))
