"""One trial, from the builder to its score."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from truetune.data.dataset import Array
from truetune.errors import TruetuneError
from truetune.hyperparameters import HyperParameters
from truetune.seeds import derive_seed
from truetune.space import Value
from truetune.training.callbacks import Course, Stopwatch, TrialCallback, is_over
from truetune.training.checkpoints.checkpoint import Progress
from truetune.training.checkpoints.restore import Beginning, load_or_say, take_up
from truetune.training.checkpoints.times import CheckpointTimes
from truetune.training.checkpoints.weights import keep_weights
from truetune.training.fit import (
    declare_and_build,
    fit_model,
    fits_plainly,
    overrides_fit,
    planned_epochs,
    seed_everything,
)
from truetune.training.folds.ahead import TakesIn, fold_owner
from truetune.training.folds.cross_validation import outcome_of, restore, snapshot
from truetune.training.folds.pooled import build_metrics
from truetune.training.folds.source import Folds
from truetune.training.measured import check_built
from truetune.training.messages import Declined, Host, Outcome, Request, TrainingTask
from truetune.training.outcomes import ended_fold, failed, outcome_so_far, scored_from_history
from truetune.trial import TrialState


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
        model = declare_and_build(task.hypermodel, hp)
    except Declined:
        return None
    except TruetuneError:
        raise
    except Exception as error:
        return failed(error, "build", stopwatch)
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
        return failed(error, "fit", stopwatch, epochs=progress.epoch)
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
        model = declare_and_build(task.hypermodel, hp)
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
            progress.next_fold(ended_fold(outcome, progress, self.task.objective))
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
        return hp, declare_and_build(self.task.hypermodel, hp)

    def _seed(self, fold: int) -> int:
        return self.request.seed if fold == 0 else derive_seed(self.request.seed, "fold", fold)

    def fold(self, hp: HyperParameters, model: Any, watch: TrialCallback) -> Outcome:
        """Train the fold at which the progress of `watch` stands."""
        progress, course = watch.progress, watch.course
        if _is_still_paused(progress, self.request) or _ended_before(progress, course, self.task.patience):
            return outcome_so_far(model, progress, progress.history, self.request)
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
            return scored_from_history(self.task.objective, history, progress.epoch)
        if course.keep and not course.resumable:
            course.times.write(model, progress)
        return outcome_so_far(model, progress, history, self.request)


def _is_still_paused(progress: Progress, request: Request) -> bool:
    """It was killed after it was told to pause, and before that was recorded."""
    return progress.paused and progress.step(request.steps_per_fold) > request.thawed_at


def _ended_before(progress: Progress, course: Course, patience: int | None) -> bool:
    """It was killed after its last epoch; a parent's early stop does not end the promoted trial."""
    return bool(progress.reports) and is_over(progress, course, patience)
