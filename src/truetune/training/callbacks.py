"""What is done after every epoch of a trial: report, keep the best weights, decide, write a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from truetune.errors import ObjectiveError, TruetuneError
from truetune.task import Objective
from truetune.training.checkpoints.checkpoint import Progress
from truetune.training.checkpoints.times import CheckpointTimes
from truetune.training.folds.pooled import metric_state
from truetune.training.logged import numbers
from truetune.training.messages import Host, TrainingTask
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
        initial_epoch: the first epoch to train; 0 is the very first.
        last_epoch: epochs to train to, cumulative.
        resumable: Keras' own `fit` trains, so that a checkpoint can be gone on from.
        keep: leave a checkpoint at the end.
        times: writes the checkpoints.
        stopwatch: of the trial.
        steps_per_fold: how far apart the reports of two folds are; 0 where there is one fold.
        least_epochs: patience does not end a fold before.
    """

    initial_epoch: int
    last_epoch: int
    resumable: bool
    keep: bool
    times: CheckpointTimes
    stopwatch: Stopwatch
    steps_per_fold: int = 0
    least_epochs: int = 0


def is_over(progress: Progress, course: Course, patience: int | None) -> bool:
    """Whether nothing is left to train."""
    return progress.pruned or progress.epoch >= course.last_epoch or has_stalled(progress, course, patience)


def has_stalled(progress: Progress, course: Course, patience: int | None) -> bool:
    return patience is not None and progress.wait >= patience and progress.epoch >= course.least_epochs


def obey(decision: Decision, progress: Progress, course: Course, patience: int | None) -> bool:
    """Note in `progress` what was decided after its latest epoch; True when nothing is left to train."""
    progress.pruned = decision is Decision.STOP
    over = is_over(progress, course, patience)
    progress.paused = decision is Decision.PAUSE and course.resumable and not over
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
        self._objective, self._patience = task.objective, task.patience
        self._host, self.course = host, course
        self._may_log_later = not course.resumable

    @property
    def has_recorded(self) -> bool:
        return bool(self.progress.reports)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        values = numbers(logs or {})
        self.progress.epoch = epoch + 1
        for name, value in values.items():
            self.progress.history.setdefault(name, []).append(value)
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
        progress = self.progress
        is_best = self._objective.is_better(value, progress.best_score)
        progress.record(epoch, value, is_best)
        if is_best:
            progress.best_weights = self.model.get_weights()
        if self.course.steps_per_fold:
            progress.states.append(metric_state(self.model))  # Keras has just evaluated the validation rows
        decision = self._host.epoch(progress.step(self.course.steps_per_fold, epoch), value)
        over = obey(decision, progress, self.course, self._patience)
        if self.course.resumable:
            self._save(over)
        if progress.pruned or progress.paused or has_stalled(progress, self.course, self._patience):
            self._stop()

    def _save(self, over: bool) -> None:
        """In the callback, not after `fit`: an optimizer that averages weights overwrites them when `fit` ends."""
        self.progress.seconds = self.course.stopwatch.seconds
        if self.progress.paused or (over and self.course.keep):
            self.course.times.write(self.model, self.progress)
        elif not over:
            self.course.times.epoch_ended(self.model, self.progress)

    def _stop(self) -> None:
        self.model.stop_training = True
