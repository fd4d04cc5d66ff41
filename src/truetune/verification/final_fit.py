"""A recipe on rows of which none validates: every stage has a fixed number of epochs, as the search found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from truetune.data.dataset import Dataset
from truetune.errors import TruetuneError
from truetune.task import Task
from truetune.training.fit import History, fit_model, overrides_fit
from truetune.training.measured import Movement, check_steps
from truetune.training.recipe import (
    OwnCallbacks,
    ReplayedRates,
    class_weight_of,
    lowers_rates,
    weighted,
    without_validation,
)
from truetune.training.stages import PlannedStage, Stages, as_trained, planned_stages
from truetune.trial import TrainingCourse


@dataclass
class FinalFit:
    """Logged values per epoch, over all stages; and what a person should know of how they came about."""

    history: History = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def add(self, logged: History) -> None:
        for name, values in logged.items():
            self.history.setdefault(name, []).extend(values)


def full_course(task: Task, hp: Any, epochs: int) -> TrainingCourse:
    """Every stage in full; `epochs` without stages."""
    if not task.fit.stages:
        return TrainingCourse((epochs,))
    return TrainingCourse(tuple(stage.epochs_of(hp.values) for stage in task.fit.stages))


def fit_recipe(task: Task, hp: Any, model: Any, train: Dataset, course: TrainingCourse, seed: int) -> FinalFit:
    """Train the stages of `course` one after the other, each from the last weights of the one before.

    Raises:
        TruetuneError: a callback ended a stage before, or the wrong weights moved.
        SpaceError: the optimizer made another number of steps than the epochs have.
    """
    planned = _planned(task, hp, course)
    stages = Stages(model, planned, hp, seed)
    own = OwnCallbacks(task.fit, hp, partial(without_validation, rates_are_known=bool(course.learning_rates)))
    train = weighted(train, class_weight_of(task.fit, hp))
    fitted, start = FinalFit(), 0
    for number, (stage, epochs) in enumerate(zip(planned, course.epochs, strict=True)):
        stages.enter(number)
        if not epochs:
            continue
        movement = Movement.before(model) if stages.is_staged else None
        callbacks = own.of_stage(stage.callbacks, start, epochs)
        callbacks += _replayed(own.left_out, course, number, start)
        logged = fit_model(
            task.hypermodel,
            hp,
            model,
            train,
            None,
            epochs=start + epochs,
            seed=seed,
            initial_epoch=start,
            callbacks=callbacks,
        )
        fitted.add(logged)
        if not overrides_fit(task.hypermodel):
            _check_epochs(logged, epochs)
            check_steps(model, hp.values, len(train), epochs)
        if movement is not None:
            movement.check(model, stage.name)
            own.notes += movement.notes(model, stage.name)
        start += epochs
    fitted.notes = tuple(dict.fromkeys(own.notes))
    return fitted


def _planned(task: Task, hp: Any, course: TrainingCourse) -> tuple[PlannedStage, ...]:
    """The stages that are trained; the last one for as long as `course` has it."""
    planned = planned_stages(task.fit, hp, None)
    if not task.fit.stages:
        return planned
    led = as_trained(planned, course.epochs)[: len(course.epochs)]
    return (*led[:-1], replace(led[-1], epochs=course.epochs[-1]))


def _replayed(left_out: Sequence[Any], course: TrainingCourse, number: int, start: int) -> list[Any]:
    """The learning rates of the search, where what lowered them there has nothing to watch here."""
    if not course.learning_rates or not any(lowers_rates(callback) for callback in left_out):
        return []
    return [ReplayedRates(course.learning_rates[number], start)]


def _check_epochs(logged: History, epochs: int) -> None:
    trained = len(logged.get("loss", [0.0] * epochs))
    if trained != epochs:
        raise TruetuneError(
            f"A callback ended the training after {trained} of {epochs} epochs. Expected all of them, as in the "
            "search; let the callback end nothing where there are no validation rows."
        )
