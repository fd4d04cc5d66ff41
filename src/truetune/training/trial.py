"""One trial, from the builder to its score."""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass, replace
from typing import Any

import keras

from truetune.data.dataset import Dataset
from truetune.errors import TruetuneError
from truetune.hyperparameters import HyperParameters
from truetune.task import Objective
from truetune.training.checkpoint import Progress
from truetune.training.checkpoint_times import CheckpointTimes
from truetune.training.fit import (
    History,
    build_model,
    fit_model,
    fits_plainly,
    overrides_fit,
    planned_epochs,
    seed_everything,
)
from truetune.training.kept_weights import keep_weights
from truetune.training.measured import check_built
from truetune.training.out_of_memory import is_out_of_memory
from truetune.training.protocol import Declined, Host, Outcome, Request, TrainingTask
from truetune.training.take_up import Beginning, take_up
from truetune.training.watch import Course, Stopwatch, TrialCallback, is_over, never_logged
from truetune.trial import ERROR, OUT_OF_MEMORY, TrialState


@dataclass(frozen=True)
class Parts:
    """The preprocessed rows a trial trains and validates on."""

    train: Dataset
    validation: Dataset


def run_trial(task: TrainingTask, parts: Parts, request: Request, host: Host) -> Outcome | None:
    """Build, train and score one trial; None when `host` knows its values already.

    A trial that was killed goes on from its checkpoint, where there is one, and ends as it would have ended
    undisturbed: on a CPU, bit for bit. Where the user's own `fit` trains, it starts from its beginning.

    An exception of the user's code becomes a failed outcome; a `TruetuneError` (bad input, or a refusal of the
    supervisor) passes through, and so does a defect of ours outside the user's code.
    """
    seed_everything(request.seed)
    stopwatch = Stopwatch()
    hp = HyperParameters(host.answer)
    try:
        model = _declare_and_build(task.hypermodel, hp)
    except Declined:
        return None
    except TruetuneError:
        raise
    except Exception as error:
        return _failed(error, "build", stopwatch)
    check_built(model, hp.values, task.hypermodel)
    if not host.built(dict(hp.values), int(model.count_params()), complete=not overrides_fit(task.hypermodel)):
        return None
    beginning = take_up(model, request, hp.values, host, fits_plainly(task.hypermodel, model))
    stopwatch.before = beginning.progress.seconds
    course = _course(task, request, hp, model, beginning, stopwatch, host)
    watch = TrialCallback(task, host, beginning.progress, course)
    try:
        outcome = _train(task, parts, request, hp, model, watch)
    except TruetuneError:
        raise
    except Exception as error:
        return _failed(error, "fit", stopwatch, epochs=watch.progress.epoch)
    outcome = replace(outcome, seconds=stopwatch.seconds)
    problem = keep_weights(model, outcome, request, task.objective)
    if problem:
        host.note(problem)
    return outcome


def _course(
    task: TrainingTask,
    request: Request,
    hp: HyperParameters,
    model: Any,
    beginning: Beginning,
    stopwatch: Stopwatch,
    host: Host,
) -> Course:
    return Course(
        initial_epoch=beginning.initial_epoch,
        last_epoch=request.schedule.epochs or planned_epochs(hp, task.epochs),
        resumable=fits_plainly(task.hypermodel, model),
        keep=request.keep,
        times=CheckpointTimes(request.checkpoint, note=lambda line: host.note(f"Trial {request.number}: {line}")),
        stopwatch=stopwatch,
    )


def _declare_and_build(hypermodel: Any, hp: HyperParameters) -> Any:
    declare = getattr(hypermodel, "declare_hyperparameters", None)
    if declare is not None:
        declare(hp)
    model = build_model(hypermodel, hp)
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"The builder returned {type(model).__name__}. Expected a compiled keras.Model; end it with `return model`."
        )
    return model


def _train(
    task: TrainingTask, parts: Parts, request: Request, hp: HyperParameters, model: Any, watch: TrialCallback
) -> Outcome:
    progress, course = watch.progress, watch.course
    if _is_still_paused(progress, request) or _ended_before(progress, course, task.patience):
        return _outcome(model, progress, progress.history)
    progress.paused = False
    history = fit_model(
        task.hypermodel,
        hp,
        model,
        parts.train,
        parts.validation,
        epochs=course.last_epoch,
        seed=request.seed,
        initial_epoch=course.initial_epoch,
        callbacks=[watch],
    )
    if course.resumable:
        history = progress.history  # of the epochs before an interruption too
    if watch.error is not None:
        raise watch.error
    if watch.failure:
        return Outcome(TrialState.FAILED, epochs=progress.epoch, history=history, reason=watch.failure)
    if not watch.has_recorded:
        return _scored_from_history(task.objective, history, progress.epoch)
    if course.keep and not course.resumable:
        course.times.write(model, progress)
    return _outcome(model, progress, history)


def _is_still_paused(progress: Progress, request: Request) -> bool:
    """It was killed after it was told to pause, and before that was recorded."""
    return progress.paused and progress.epoch > request.thawed_at


def _ended_before(progress: Progress, course: Course, patience: int | None) -> bool:
    """It was killed after its last epoch; a parent's early stop does not end the promoted trial."""
    return bool(progress.reports) and is_over(progress, course.last_epoch, patience)


def _outcome(model: Any, progress: Progress, history: History) -> Outcome:
    """Of what was recorded; `model` gets the weights that the score belongs to, unless it goes on later."""
    if progress.paused:
        state = TrialState.PAUSED
    else:
        state = TrialState.PRUNED if progress.pruned else TrialState.COMPLETE
        model.set_weights(progress.best_weights)
    return Outcome(
        state,
        progress.best_score,
        progress.epoch,
        progress.best_epoch,
        history=history,
        weights_are_best=state is not TrialState.PAUSED,
    )


def _scored_from_history(objective: Objective, history: History, epochs_seen: int) -> Outcome:
    """For a user's `fit` that computes the objective itself, or does not pass our callbacks on: the returned values
    are all there is. A single value belongs to the weights after the last epoch.
    """
    if objective.name not in history:
        raise never_logged(objective, history)
    values = history[objective.name]
    best = 0
    for epoch, value in enumerate(values):
        if objective.is_better(value, values[best] if math.isfinite(values[best]) else None):
            best = epoch
    epochs = max(len(values), epochs_seen)
    if not values or not math.isfinite(values[best]):
        return Outcome(TrialState.FAILED, epochs=epochs, history=history, reason="the objective is not finite")
    best_epoch = epochs if len(values) == 1 else best + 1
    is_last = best_epoch == epochs
    return Outcome(TrialState.COMPLETE, values[best], epochs, best_epoch, history=history, weights_are_best=is_last)


def _failed(error: Exception, stage: str, stopwatch: Stopwatch, epochs: int = 0) -> Outcome:
    """The reason in one line; the traceback from the user's own frame on."""
    frames = traceback.format_exception(type(error), error, _user_frames(error))
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    cause = ERROR
    if is_out_of_memory(error):
        cause, reason = OUT_OF_MEMORY, f"out of memory: {reason}"
    return Outcome(
        TrialState.FAILED,
        epochs=epochs,
        seconds=stopwatch.seconds,
        reason=reason,
        stage=stage,
        traceback="".join(frames),
        cause=cause,
    )


def _user_frames(error: Exception) -> Any:
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__", "").startswith("truetune.training"):
        frame = frame.tb_next
    return frame or error.__traceback__
