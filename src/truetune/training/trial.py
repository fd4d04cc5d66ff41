"""One trial, from the builder to its score."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from truetune.data.dataset import Array
from truetune.errors import TruetuneError
from truetune.hyperparameters import HyperParameters
from truetune.seeds import derive_seed
from truetune.space import Value
from truetune.task import Objective
from truetune.training.checkpoint import EndedFold, Progress
from truetune.training.checkpoint_times import CheckpointTimes
from truetune.training.cross_validation import outcome_of, restore, snapshot
from truetune.training.fit import (
    History,
    build_model,
    fit_model,
    fits_plainly,
    overrides_fit,
    planned_epochs,
    seed_everything,
)
from truetune.training.fold_ahead import TakesIn, fold_owner
from truetune.training.folds import Folds
from truetune.training.kept_weights import keep_weights
from truetune.training.measured import check_built
from truetune.training.out_of_memory import is_out_of_memory
from truetune.training.pooled import build_metrics
from truetune.training.protocol import Declined, Host, Outcome, Request, TrainingTask
from truetune.training.take_up import Beginning, load_or_say, take_up
from truetune.training.watch import Course, Stopwatch, TrialCallback, is_over, never_logged
from truetune.trial import ERROR, OUT_OF_MEMORY, TrialState


def run_trial(task: TrainingTask, folds: Folds, request: Request, host: Host) -> Outcome | None:
    """Build, train and score one trial; None when `host` knows its values already.

    Every fold begins with the same weights. Several folds have one score: that of all validation rows together.

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
    plainly = fits_plainly(task.hypermodel, model)
    start = snapshot(model) if plainly and len(folds) > 1 else None
    beginning = take_up(model, request, hp.values, host, plainly)
    stopwatch.before = beginning.progress.seconds
    course = _course(task, request, hp, model, beginning, stopwatch, host)
    progress = beginning.progress
    try:
        outcome = _Training(task, folds, request, host, course, start).run(hp, model, progress)
    except TruetuneError:
        raise
    except Exception as error:
        return _failed(error, "fit", stopwatch, epochs=progress.epoch)
    outcome = replace(outcome, seconds=stopwatch.seconds)
    problem = keep_weights(model, outcome, request, task.objective)
    if problem:
        host.note(problem)
    return outcome


def train_fold_ahead(task: TrainingTask, folds: Folds, request: Request, fold: int, host: Host) -> None:
    """Train one fold of a trial that another worker trains, as that one would, and leave it in `request.checkpoint`.

    An earlier start on it is gone on from. Where the user's code raises, what was written by then is left: the trial's
    own worker goes on from it, comes upon the same and records it.

    Raises:
        TruetuneError: bad input.
    """
    seed_everything(request.seed)
    hp = HyperParameters(host.answer)
    try:
        model = _declare_and_build(task.hypermodel, hp)
        if fits_plainly(task.hypermodel, model):
            progress = _begun_ahead(model, request, fold, hp.values, host)
            course = _course(task, request, hp, model, Beginning(progress, progress.epoch), Stopwatch(), host)
            training = _Training(task, folds, request, host, course, start=None)
            training.fold(hp, model, TrialCallback(task, host, progress, course))
    except TruetuneError:
        raise
    except Exception:
        traceback.print_exc()  # into the worker's log


def _begun_ahead(model: Any, request: Request, fold: int, values: Mapping[str, Value], host: Host) -> Progress:
    assert request.checkpoint is not None
    owner = fold_owner({"seed": request.seed, "values": dict(values)}, fold)
    earlier = None
    if request.checkpoint.exists():
        earlier = load_or_say(request.checkpoint, model, owner, request, host)
    progress = earlier or Progress(fold=fold, owner=owner)
    progress.pruned = progress.paused = False  # it may have been called off
    return progress


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
        steps_per_fold=request.steps_per_fold,
        least_epochs=request.score_epoch or 0,
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


@dataclass(frozen=True)
class _Training:
    """What all folds of a trial have in common; `start` is what a fold's model begins from, None to build it anew."""

    task: TrainingTask
    folds: Folds
    request: Request
    host: Host
    course: Course
    start: list[Array] | None

    def run(self, hp: HyperParameters, model: Any, progress: Progress) -> Outcome:
        """Train the folds that are left, one after the other."""
        course = self.course
        while True:
            course = self._with_what_is_trained(model, progress, course)
            outcome = self.fold(hp, model, TrialCallback(self.task, self.host, progress, course))
            if len(self.folds) == 1 or outcome.state in (TrialState.FAILED, TrialState.PAUSED):
                return outcome
            progress.next_fold(_ended_fold(outcome, progress, self.task.objective))
            if outcome.state is TrialState.PRUNED or progress.fold == len(self.folds):
                return outcome_of(model, progress.ended, self.folds, self.task.objective, outcome.state)
            course = replace(course, initial_epoch=0)
            hp, model = self._begin_anew(hp, model, progress.fold)

    def _with_what_is_trained(self, model: Any, progress: Progress, course: Course) -> Course:
        """What another worker has trained of the next fold is taken in; the course goes on from there."""
        if self.start is None:
            return course
        path = self.host.fold_begins(progress.fold, len(self.folds))
        if path is None or progress.epoch > 0:
            return course
        task = self.task
        taker = TakesIn(model, self.start, self.request, course, task.objective, task.patience, self.host)
        taker.take_in(path, progress)
        if progress.states:
            build_metrics(model, progress.states[0], lambda: self.folds.parts(progress.fold).validation)
        return replace(course, initial_epoch=progress.epoch)

    def _begin_anew(self, hp: HyperParameters, model: Any, fold: int) -> tuple[HyperParameters, Any]:
        if self.start is not None:
            restore(model, self.start)
            return hp, model
        # A `fit` of the user's own may have changed more of the model than its variables.
        seed_everything(self._seed(fold))
        hp = HyperParameters(self.host.answer)
        return hp, _declare_and_build(self.task.hypermodel, hp)

    def _seed(self, fold: int) -> int:
        return self.request.seed if fold == 0 else derive_seed(self.request.seed, "fold", fold)

    def fold(self, hp: HyperParameters, model: Any, watch: TrialCallback) -> Outcome:
        """Train the fold at which the progress of `watch` stands."""
        progress, course = watch.progress, watch.course
        if _is_still_paused(progress, self.request) or _ended_before(progress, course, self.task.patience):
            return _outcome(model, progress, progress.history, self.request)
        progress.paused = False
        parts = self.folds.parts(progress.fold)
        history = fit_model(
            self.task.hypermodel,
            hp,
            model,
            parts.train,
            parts.validation,
            epochs=course.last_epoch,
            seed=self._seed(progress.fold),
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
            return _scored_from_history(self.task.objective, history, progress.epoch)
        if course.keep and not course.resumable:
            course.times.write(model, progress)
        return _outcome(model, progress, history, self.request)


def _ended_fold(outcome: Outcome, progress: Progress, objective: Objective) -> EndedFold:
    if progress.reports:
        return EndedFold(outcome.epochs, outcome.best_epoch, progress.reports, progress.states)
    values = outcome.history[objective.name]
    reports = dict(enumerate(values, start=1)) if len(values) > 1 else {outcome.best_epoch: values[0]}
    return EndedFold(outcome.epochs, outcome.best_epoch, reports)


def _is_still_paused(progress: Progress, request: Request) -> bool:
    """It was killed after it was told to pause, and before that was recorded."""
    return progress.paused and progress.step(request.steps_per_fold) > request.thawed_at


def _ended_before(progress: Progress, course: Course, patience: int | None) -> bool:
    """It was killed after its last epoch; a parent's early stop does not end the promoted trial."""
    return bool(progress.reports) and is_over(progress, course, patience)


def _outcome(model: Any, progress: Progress, history: History, request: Request) -> Outcome:
    """Of what was recorded; `model` gets the weights of the best epoch, unless it goes on later."""
    if progress.paused:
        state = TrialState.PAUSED
    else:
        state = TrialState.PRUNED if progress.pruned else TrialState.COMPLETE
        if progress.best_weights:  # of a fold that was trained ahead farther than this, they are unknown and not needed
            model.set_weights(progress.best_weights)
    score = progress.best_score
    if request.score_epoch is not None:
        score = progress.reports[min(request.score_epoch, max(progress.reports))]
    return Outcome(
        state,
        score,
        progress.epoch,
        progress.best_epoch,
        history=history,
        weights_are_best=state is not TrialState.PAUSED,
        best_score=progress.best_score,
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
