"""One trial, from the builder to its score."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from truetune.data.dataset import Dataset
from truetune.errors import TruetuneError
from truetune.hyperparameters import HyperParameters
from truetune.seeds import derive_seed
from truetune.space import Value
from truetune.training.building.build import build
from truetune.training.building.first_call import UNBUILT, is_built, n_parameters, show_rows
from truetune.training.callbacks import Course, Stopwatch, TrialCallback
from truetune.training.checkpoints.checkpoint import Progress
from truetune.training.checkpoints.restore import load_or_note, restore
from truetune.training.checkpoints.times import CheckpointTimes
from truetune.training.checkpoints.weights import keep_weights
from truetune.training.fit import (
    History,
    fit_model,
    fits_plainly,
    overrides_fit,
    planned_epochs,
    seed_everything,
)
from truetune.training.folds.ahead import TakesIn, fold_owner
from truetune.training.folds.cross_validation import Snapshot, outcome_of
from truetune.training.folds.pooled import build_metrics
from truetune.training.folds.source import Folds
from truetune.training.measured import Movement, UnmovedWeights, check_built
from truetune.training.messages import Declined, Host, Outcome, Request, StageBegins, TrainingTask
from truetune.training.outcomes import ended_fold, failed, outcome_so_far, scored_from_history
from truetune.training.recipe import OwnCallbacks, class_weight_of, weighted
from truetune.training.stages import PlannedStage, Stages, as_trained, planned_stages, total_epochs
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
        model = build(task.hypermodel, hp, task.fit, folds.parts(0).train)
    except Declined:
        return None
    except TruetuneError:
        raise
    except Exception as error:
        return failed(error, "build", stopwatch)
    check_built(model, hp.values, task.hypermodel)
    if not host.built(dict(hp.values), n_parameters(model), complete=not overrides_fit(task.hypermodel)):
        return None
    plainly = fits_plainly(task.hypermodel, model) and _is_built(model, folds, host)
    stages = _stages(task, request, model, hp, begins_anew=plainly and len(folds) > 1)
    progress = restore(stages, request, hp.values, host, plainly)
    stopwatch.before = progress.seconds
    course = _course(task, request, hp, stages, stopwatch, host)
    try:
        outcome = _Training(task, folds, request, host, course).run(hp, model, progress)
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
        model = build(task.hypermodel, hp, task.fit, folds.parts(fold).train)
        if fits_plainly(task.hypermodel, model) and is_built(model):
            stages = _stages(task, request, model, hp, begins_anew=False)
            progress = _begun_ahead(stages, request, fold, hp.values, host)
            course = _course(task, request, hp, stages, Stopwatch(), host)
            training = _Training(task, folds, request, host, course)
            training.fold(hp, model, TrialCallback(task, host, progress, course))
    except TruetuneError:
        raise
    except Exception:
        traceback.print_exc()  # into the worker's log


def _is_built(model: Any, folds: Folds, host: Host) -> bool:
    """Whether all weights are there before training; it is said where not."""
    why = show_rows(model, folds.parts(0).train)
    if why:
        host.note(UNBUILT.format(model=type(model).__name__, why=why))
    return not why


def _begun_ahead(stages: Stages, request: Request, fold: int, values: Mapping[str, Value], host: Host) -> Progress:
    assert request.checkpoint is not None
    owner = fold_owner({"seed": request.seed, "values": dict(values)}, fold)
    earlier = None
    if request.checkpoint.exists():
        earlier = load_or_note(request.checkpoint, stages.model, owner, request, host, stages.enter)
    if earlier is None:
        stages.begin_anew()
    progress = earlier or Progress(fold=fold, owner=owner)
    progress.pruned = progress.paused = False  # it may have been called off
    return progress


def _stages(task: TrainingTask, request: Request, model: Any, hp: HyperParameters, begins_anew: bool) -> Stages:
    planned = planned_stages(task.fit, hp, task.patience)
    if request.stage_epochs and task.fit.stages:
        planned = as_trained(planned, request.stage_epochs)
    start = Snapshot.of(model) if begins_anew and not task.fit.stages else None
    return Stages(model, planned, hp, request.seed, start)


def _course(
    task: TrainingTask, request: Request, hp: HyperParameters, stages: Stages, stopwatch: Stopwatch, host: Host
) -> Course:
    return Course(
        last_epoch=request.schedule.epochs or total_epochs(stages.planned, planned_epochs(hp, task.epochs)),
        resumable=fits_plainly(task.hypermodel, stages.model) and is_built(stages.model),
        keep=request.keep,
        times=CheckpointTimes(request.checkpoint, note=lambda line: host.note(f"Trial {request.number}: {line}")),
        stopwatch=stopwatch,
        stages=stages,
        steps_per_fold=request.steps_per_fold,
        least_epochs=request.score_epoch or 0,
    )


@dataclass(frozen=True)
class _Training:
    """What all folds of a trial have in common."""

    task: TrainingTask
    folds: Folds
    request: Request
    host: Host
    course: Course

    def run(self, hp: HyperParameters, model: Any, progress: Progress) -> Outcome:
        """Train the folds that are left, one after the other."""
        while True:
            self._take_in_what_is_trained(model, progress)
            outcome = self.fold(hp, model, TrialCallback(self.task, self.host, progress, self.course))
            if len(self.folds) == 1 or outcome.state in (TrialState.FAILED, TrialState.PAUSED):
                return outcome
            progress.next_fold(ended_fold(outcome, progress, self.task.objective))
            if outcome.state is TrialState.PRUNED or progress.fold == len(self.folds):
                return outcome_of(model, progress.ended, self.folds, self.task.objective, outcome.state)
            hp, model = self._begin_anew(hp, model, progress.fold)

    def _take_in_what_is_trained(self, model: Any, progress: Progress) -> None:
        """What another worker has trained of the next fold is taken in; training goes on from there."""
        if len(self.folds) == 1 or not self.course.resumable:
            return
        path = self.host.fold_begins(progress.fold, len(self.folds))
        if path is None or progress.epoch > 0:
            return
        TakesIn(model, self.request, self.course, self.task.objective, self.host).take_in(path, progress)
        if progress.states:
            build_metrics(model, progress.states[0], lambda: self.folds.parts(progress.fold).validation)

    def _begin_anew(self, hp: HyperParameters, model: Any, fold: int) -> tuple[HyperParameters, Any]:
        if self.course.resumable:
            self.course.stages.begin_anew()
            return hp, model
        # A `fit` of the user's own may have changed more of the model than its variables.
        seed_everything(self._seed(fold))
        hp = HyperParameters(self.host.answer)
        return hp, build(self.task.hypermodel, hp, self.task.fit, self.folds.parts(fold).train)

    def _seed(self, fold: int) -> int:
        return self.request.seed if fold == 0 else derive_seed(self.request.seed, "fold", fold)

    def fold(self, hp: HyperParameters, model: Any, watch: TrialCallback) -> Outcome:
        """Train the fold at which the progress of `watch` stands."""
        progress, course = watch.progress, watch.course
        if _is_still_paused(progress, self.request) or _ended_before(progress, course):
            return self._outcome_so_far(model, progress, progress.history)
        progress.paused = False
        history = self._train_stages(hp, model, watch)
        if course.resumable:
            history = progress.history  # of the epochs before an interruption too
        if watch.error is not None:
            raise watch.error
        if watch.failure:
            return Outcome(TrialState.FAILED, epochs=progress.epoch, history=history, reason=watch.failure)
        if not watch.has_recorded and progress.best_score is None:
            return scored_from_history(self.task.objective, history, progress.epoch)
        if course.keep and not course.resumable:
            course.times.write(model, progress)
        return self._outcome_so_far(model, progress, history)

    def _outcome_so_far(self, model: Any, progress: Progress, history: History) -> Outcome:
        names = self.course.stages.names if self.task.fit.changes_training else ()
        return outcome_so_far(model, progress, history, self.request, names)

    def _train_stages(self, hp: HyperParameters, model: Any, watch: TrialCallback) -> History:
        """Train the stages that are left, one after the other."""
        progress, stages = watch.progress, self.course.stages
        parts = self.folds.parts(progress.fold)
        train = weighted(parts.train, class_weight_of(self.task.fit, hp))
        history: History = {}
        fitting = _Fitting(hp, model, watch, OwnCallbacks(self.task.fit, hp), train, parts.validation)
        for line in fitting.own.notes:
            self.host.note(line)
        while True:
            stages.enter(progress.stage)
            if self.course.stage_end(progress) > progress.stage_start:
                history = self._fit_stage(fitting)
            if watch.ends_training or stages.is_last(progress.stage):
                return history
            self._begin_next_stage(fitting)

    def _fit_stage(self, fitting: _Fitting) -> History:
        """Train what is left of the stage at which the progress stands. Where nothing is left, since training was
        interrupted as it ended, the callbacks begin and end all the same.
        """
        watch, progress, course = fitting.watch, fitting.watch.progress, self.course
        end, stage = course.stage_end(progress), course.stage(progress)
        if _stage_ended_before(progress, course):
            end, watch.last_weights = progress.epoch, fitting.model.get_weights()
        if course.stages.is_staged:
            self._announce(progress, stage)
        states, progress.callbacks = progress.callbacks, []
        own = fitting.own.of_stage(stage.callbacks, progress.stage_start, stage.epochs or end, states)
        watch.own = fitting.own
        if course.stages.is_staged and not progress.digests:
            progress.digests = list(Movement.before(fitting.model).digests)
        history = fit_model(
            self.task.hypermodel,
            fitting.hp,
            fitting.model,
            fitting.train,
            fitting.validation,
            epochs=max(end, progress.epoch),
            seed=self._seed(progress.fold),
            initial_epoch=progress.epoch,
            callbacks=[*own, watch],
        )
        if course.stages.is_staged and not (watch.error or watch.failure or progress.pruned or progress.paused):
            self._check_movement(fitting.model, watch, stage.name)
        return history

    def _check_movement(self, model: Any, watch: TrialCallback, stage: str) -> None:
        movement = Movement(tuple(watch.progress.digests))
        try:
            movement.check(model, stage)
        except UnmovedWeights as error:  # bad luck of this trial's values, or a defect of the model: others will show
            watch.failure = str(error)
        for line in movement.notes(model, stage):
            self.host.note(line)

    def _announce(self, progress: Progress, stage: PlannedStage) -> None:
        n_stages = len(self.course.stages.planned)
        epochs = self.course.stage_end(progress) - progress.stage_start
        self.host.stage_begins(StageBegins(progress.stage, n_stages, stage.name, progress.stage_start, epochs))

    def _begin_next_stage(self, fitting: _Fitting) -> None:
        """Its weights are those that the recipe begins it with."""
        watch, progress, stages = fitting.watch, fitting.watch.progress, self.course.stages
        from_best = stages.planned[progress.stage + 1].start_from == "best"
        weights = progress.best_of_stage if from_best else watch.last_weights
        if progress.epoch > progress.stage_start and weights:
            fitting.model.set_weights(weights)
        progress.next_stage(from_best)


@dataclass(frozen=True)
class _Fitting:
    """What the stages of one fold have in common; the training rows have the weights of their classes."""

    hp: HyperParameters
    model: Any
    watch: TrialCallback
    own: OwnCallbacks
    train: Dataset
    validation: Dataset


def _stage_ended_before(progress: Progress, course: Course) -> bool:
    """Training was interrupted after the last epoch of a stage."""
    has_epochs = progress.epoch > progress.stage_start
    goes_on = not progress.reports and course.stages.is_last(
        progress.stage
    )  # a promoted trial, whatever stopped another
    return has_epochs and not goes_on and course.stage_is_over(progress)


def _is_still_paused(progress: Progress, request: Request) -> bool:
    """It was killed after the decision to pause, before that was recorded."""
    return progress.paused and progress.step(request.steps_per_fold) > request.thawed_at


def _ended_before(progress: Progress, course: Course) -> bool:
    """It was killed after its last epoch; a parent's early stop does not end the promoted trial."""
    return bool(progress.reports) and course.is_over(progress)
