"""What a builder asks for, found out by building a few models."""

from __future__ import annotations

import contextlib
import time
import traceback
from typing import Any

import keras

from truetune.data.dataset import Dataset
from truetune.errors import BuildError, TruetuneError
from truetune.hyperparameters import HyperParameters
from truetune.recipe import FitRecipe
from truetune.space import Hyperparameter, Space, Value
from truetune.training.building.build import build
from truetune.training.building.first_call import n_parameters
from truetune.training.fit import fit_model
from truetune.training.folds.source import Parts
from truetune.training.messages import Timing, TrainingTask
from truetune.training.outcomes import in_one_line, user_frames
from truetune.training.recipe import class_weight_of, weighted
from truetune.training.stages import Stages, planned_stages

PLAIN = FitRecipe()

MOST_BUILDS = 16
"""Enough for a `Choice` of fifteen architectures; what lies deeper is found while searching."""

MOST_REPEATS = 64
"""A longer range is a width, not a number of layers: its upper end shows nothing new and may not fit into memory."""


def trace_space(hypermodel: Any, recipe: FitRecipe = PLAIN, rows: Dataset | None = None) -> Space:
    """What builder and recipe ask for.

    Both are run with the defaults, then with every hyperparameter at its second value, its third, … until nothing new
    turns up and every value of every discrete hyperparameter was tried once.

    `rows` are preprocessed, for the stages of a model without an input layer.

    That finds hyperparameters under plain Python `if` and `for`, where KerasTuner only follows declared scopes.

    Raises:
        BuildError: the builder raised with its default values.
        SpaceError: a hyperparameter is declared wrongly.
    """
    space = Space()
    _build_once(hypermodel, recipe, space, rows, turn=0)
    turn = 1
    while turn < min(MOST_BUILDS, _most_values(space)):
        # A combination that cannot be built is one failed trial in the search, not the end of it.
        with contextlib.suppress(BuildError):
            _build_once(hypermodel, recipe, space, rows, turn)
        turn += 1
    return space


def _build_once(hypermodel: Any, recipe: FitRecipe, space: Space, rows: Dataset | None, turn: int) -> None:
    def answer(hyperparameter: Hyperparameter) -> Value:
        size = hyperparameter.size()
        if turn == 0 or size is None:
            return hyperparameter.default
        if size > MOST_BUILDS:
            return hyperparameter.default if turn % 2 == 0 or size > MOST_REPEATS else _last(hyperparameter)
        grid = hyperparameter.grid() or ()
        others = [value for value in grid if value != hyperparameter.default]
        return ([hyperparameter.default, *others])[turn % len(grid)]

    hp = HyperParameters(answer)
    try:
        build(hypermodel, hp, recipe, rows if recipe.stages else None)  # a stage's prepare may look at weights
    except TruetuneError:
        raise
    except Exception as error:
        text = "".join(traceback.format_exception(type(error), error, user_frames(error)))
        raise BuildError(f"The builder raised {in_one_line(error)}", text) from None
    finally:
        keras.backend.clear_session()
    for declared in hp.declared.entries.values():
        space.add(declared)


def _last(hyperparameter: Hyperparameter) -> Value:
    """The last choice or the upper end."""
    if hyperparameter.choices:
        return hyperparameter.choices[-1]
    assert hyperparameter.high is not None
    return hyperparameter.nearest(hyperparameter.high)


def _most_values(space: Space) -> int:
    sizes = [hp.size() or 0 for hp in space.tunable().values()]
    return max([2, *(n for n in sizes if n <= MOST_BUILDS)]) if sizes else 1


def time_epoch(task: TrainingTask, parts: Parts) -> Timing:
    """Two epochs of the default model; the second shows what an epoch costs once TensorFlow has traced it."""
    hp = HyperParameters(lambda hyperparameter: hyperparameter.default)
    began = time.perf_counter()
    model = build(task.hypermodel, hp, task.fit, parts.train)
    Stages(model, planned_stages(task.fit, hp, None), hp, 0).enter(0)
    train = weighted(parts.train, class_weight_of(task.fit, hp))
    built = time.perf_counter()
    clock = _EpochClock()
    fit_model(
        task.hypermodel,
        hp,
        model,
        train,
        parts.validation,
        epochs=2,
        seed=0,
        callbacks=[clock],
    )
    seconds = clock.seconds or [time.perf_counter() - built]
    return Timing(built - began, seconds[0], seconds[-1], n_parameters(model))


class _EpochClock(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._began)
