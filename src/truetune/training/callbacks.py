"""What is done after every epoch of a trial: report, keep the best weights, decide, write a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from truetune.errors import ObjectiveError, TruetuneError
from truetune.objective import Objective
from truetune.training.checkpoints.checkpoint import Progress
from truetune.training.checkpoints.times import CheckpointTimes
from truetune.training.folds.pooled import metric_state
from truetune.training.logged import numbers
from truetune.training.messages import Host, TrainingTask
from truetune.training.recipe import OwnCallbacks
from truetune.training.stages import PlannedStage, Stages
from truetune.trial import Decision


@dataclass
class Stopwatch:
    """Seconds a trial has taken, those before an interruption included."""

    before: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.started


@dataclass(frozen=True)
class Course:
    """What a trial's callback steers by.

    Attributes:
        last_epoch: epochs to train to, cumulative.
        resumable: Keras' own `fit` trains, so that a checkpoint can be gone on from.
        keep: leave a checkpoint at the end.
        times: writes the checkpoints.
        stopwatch: of the trial.
        stages: of a fold, and the model that goes through them.
        steps_per_fold: how far apart the reports of two folds are; 0 where there is one fold.
        least_epochs: neither patience nor a callback ends a fold before.
    """

    last_epoch: int
    resumable: bool
    keep: bool
    times: CheckpointTimes
    stopwatch: Stopwatch
    stages: Stages
    steps_per_fold: int = 0
    least_epochs: int = 0

    def stage(self, progress: Progress) -> PlannedStage:
        """The one that `progress` is in."""
        return self.stages.planned[progress.stage]

    def stage_end(self, progress: Progress) -> int:
        """Epochs to train to in it, cumulative."""
        epochs = self.stage(progress).epochs
        return self.last_epoch if epochs is None else min(self.last_epoch, progress.stage_start + epochs)

    def stage_is_over(self, progress: Progress) -> bool:
        """Whether nothing is left to train of it."""
        return progress.stopped or progress.epoch >= self.stage_end(progress) or self._has_stalled(progress)

    def is_over(self, progress: Progress) -> bool:
        """Whether nothing is left to train at all."""
        if progress.pruned or progress.epoch >= self.last_epoch:
            return True
        return self.stages.is_last(progress.stage) and self.stage_is_over(progress)

    def _has_stalled(self, progress: Progress) -> bool:
        patience = self.stage(progress).patience
        return patience is not None and progress.wait >= patience and progress.epoch >= self.least_epochs


def obey(decision: Decision, progress: Progress, course: Course, can_pause: bool) -> bool:
    """Note in `progress` what was decided after its latest epoch; True when nothing is left to train."""
    progress.pruned = decision is Decision.STOP
    over = course.is_over(progress)
    progress.paused = decision is Decision.PAUSE and can_pause and not over
    return over


def never_logged(objective: Objective, logs: Mapping[str, object]) -> ObjectiveError:
    several = any(name.startswith(f"{objective.name}[") for name in logs)
    average = " It has a value for each class; keras.metrics.F1Score(average='macro'), for one, is a single number."
    return ObjectiveError(
        f"The objective '{objective.name}' was never logged. Received metrics: {', '.join(sorted(logs)) or 'none'}. "
        f"Pass one of these as the objective, or add the metric in `compile`.{average if several else ''}"
    )


class TrialCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports every epoch, keeps the best weights, and ends a trial that diverged, stalled, was pruned or paused."""

    def __init__(self, task: TrainingTask, host: Host, progress: Progress, course: Course) -> None:
        super().__init__()
        self.progress = progress
        self.failure = ""
        self.error: TruetuneError | None = None
        self.own: OwnCallbacks | None = None
        self.last_weights: list[Any] = []
        self._objective = task.objective
        self._records_rates = task.fit.changes_training
        self._host, self.course = host, course
        self._may_log_later = not course.resumable
        self._rate = math.nan

    @property
    def has_recorded(self) -> bool:
        return bool(self.progress.reports)

    @property
    def ends_training(self) -> bool:
        """Whether nothing more is trained of this fold now."""
        progress = self.progress
        return bool(self.error or self.failure or progress.paused) or self.course.is_over(progress)

    def on_train_begin(self, logs: Any = None) -> None:
        if self.own is not None:
            self.own.begun()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._rate = learning_rate(self.model)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        values = numbers(logs or {})
        progress = self.progress
        progress.epoch = epoch + 1
        if self._records_rates:
            progress.rates.append(self._rate)
        progress.log(values)
        if self._objective.name not in values and not self._may_log_later:
            self.error = never_logged(self._objective, values)
            self._stop()
            return
        broken = [name for name in ("loss", self._objective.name) if not math.isfinite(values.get(name, 0.0))]
        if broken:
            self.failure = f"{broken[0]} became {values[broken[0]]} in epoch {epoch + 1}"
            self._stop()
            return
        if self._objective.name in values:
            self._record(epoch + 1, values[self._objective.name])

    def _record(self, epoch: int, value: float) -> None:
        progress, course = self.progress, self.course
        if progress.record(epoch, value, self._objective.is_better):
            progress.keep_weights(self.model.get_weights())
        if course.steps_per_fold:
            progress.states.append(metric_state(self.model))  # Keras has just evaluated the validation rows
        progress.stopped = bool(self.model.stop_training) and epoch >= course.least_epochs
        self.model.stop_training = False
        unkeepable = self._keep_callbacks()
        decision = self._host.epoch(progress.step(course.steps_per_fold, epoch), value)
        over = obey(decision, progress, course, can_pause=course.resumable and not unkeepable)
        if course.resumable:
            self._save(over, unkeepable)
        if progress.pruned or progress.paused or course.stage_is_over(progress):
            if not course.stages.is_last(progress.stage):
                self.last_weights = self.model.get_weights()
            self._stop()

    def _keep_callbacks(self) -> bool:
        """Note the states of the recipe's callbacks; True where one has a state that cannot be kept."""
        if self.own is None or not self.course.resumable:
            return False
        self.progress.callbacks = self.own.states()
        unkeepable = self.own.unkeepable()
        if unkeepable:
            self._host.note(
                f"{', '.join(unkeepable)} changes while it trains and has no get_state and set_state, so an "
                "interrupted trial starts from its beginning, and none is paused. Give it these methods, and trials go "
                "on where they were."
            )
        return bool(unkeepable)

    def _save(self, over: bool, unkeepable: bool) -> None:
        """In the callback, not after `fit`: an optimizer that averages weights overwrites them when `fit` ends."""
        self.progress.seconds = self.course.stopwatch.seconds
        if self.progress.paused or (over and self.course.keep):
            self.course.times.write(self.model, self.progress)
        elif not over and not unkeepable:
            self.course.times.epoch_ended(self.model, self.progress)

    def _stop(self) -> None:
        self.model.stop_training = True


def learning_rate(model: Any) -> float:
    """Of the next step; NaN where several optimizers have one each."""
    rate = getattr(getattr(model.optimizer, "inner_optimizer", model.optimizer), "learning_rate", None)
    return math.nan if rate is None else float(rate)
