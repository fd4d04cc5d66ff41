"""One trial, from the builder to its score."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from truetune.data.dataset import Dataset
from truetune.errors import ObjectiveError, TruetuneError
from truetune.hyperparameters import HyperParameters
from truetune.task import Objective
from truetune.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from truetune.training.fit import (
    History,
    build_model,
    fit_model,
    overrides_fit,
    planned_epochs,
    seed_everything,
)
from truetune.training.measured import check_built
from truetune.training.out_of_memory import is_out_of_memory
from truetune.training.protocol import Declined, Host, Outcome, Request, TrainingTask
from truetune.trial import ERROR, OUT_OF_MEMORY, TrialState


@dataclass(frozen=True)
class Parts:
    """The preprocessed rows a trial trains and validates on."""

    train: Dataset
    validation: Dataset


def run_trial(task: TrainingTask, parts: Parts, request: Request, host: Host) -> Outcome | None:
    """Build, train and score one trial; None when `host` knows its values already.

    An exception of the user's code becomes a failed outcome; a `TruetuneError` (bad input, or a refusal of the
    supervisor) passes through, and so does a defect of ours outside the user's code.
    """
    seed_everything(request.seed)
    started = time.perf_counter()
    hp = HyperParameters(host.answer)
    try:
        model = _declare_and_build(task.hypermodel, hp)
    except Declined:
        return None
    except TruetuneError:
        raise
    except Exception as error:
        return _failed(error, "build", started)
    check_built(model, hp.values, task.hypermodel)
    if not host.built(dict(hp.values), int(model.count_params()), complete=not overrides_fit(task.hypermodel)):
        return None
    progress = load_checkpoint(request.load_from, model) if request.load_from else Progress()
    watch = TrialCallback(task, host, progress)
    try:
        outcome = _train(task, parts, request, hp, model, watch)
    except TruetuneError:
        raise
    except Exception as error:
        return _failed(error, "fit", started, epochs=watch.progress.epoch)
    return _with_seconds(outcome, started)


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
    epochs = request.schedule.epochs or planned_epochs(hp, task.epochs)
    history = fit_model(
        task.hypermodel,
        hp,
        model,
        parts.train,
        parts.validation,
        epochs=epochs,
        initial_epoch=request.schedule.initial_epoch,
        callbacks=[watch],
    )
    if watch.error is not None:
        raise watch.error
    if watch.failure:
        return Outcome(TrialState.FAILED, epochs=watch.progress.epoch, history=history, reason=watch.failure)
    if not watch.has_recorded:
        return _scored_from_history(task.objective, history, watch.progress.epoch)
    if request.save_to is not None:
        save_checkpoint(request.save_to, model, watch.progress)
    if watch.progress.best_weights:
        model.set_weights(watch.progress.best_weights)
    state = TrialState.PRUNED if watch.pruned else TrialState.COMPLETE
    best = watch.progress
    return Outcome(state, best.best_score, best.epoch, best.best_epoch, history=history)


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
    return Outcome(TrialState.COMPLETE, values[best], epochs, best_epoch, history=history)


def never_logged(objective: Objective, logs: Mapping[str, object]) -> ObjectiveError:
    return ObjectiveError(
        f"The objective '{objective.name}' was never logged. Received metrics: {', '.join(sorted(logs)) or 'none'}. "
        "Pass one of these as the objective, or add the metric in `compile`."
    )


class TrialCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports every epoch, keeps the best weights, and ends a trial that diverged, stalled or was pruned."""

    def __init__(self, task: TrainingTask, host: Host, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.failure = ""
        self.pruned = False
        self.has_recorded = False
        self.error: TruetuneError | None = None
        self._objective = task.objective
        self._patience = task.patience
        self._host = host
        self._may_log_later = overrides_fit(task.hypermodel)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.progress.epoch = epoch + 1
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
        self.has_recorded = True
        if self._objective.is_better(value, self.progress.best_score):
            self.progress.best_score, self.progress.best_epoch, self.progress.wait = value, epoch, 0
            self.progress.best_weights = self.model.get_weights()
        else:
            self.progress.wait += 1
        if self._host.epoch(epoch, value):
            self.pruned = True
            self._stop()
        elif self._patience is not None and self.progress.wait >= self._patience:
            self._stop()

    def _stop(self) -> None:
        self.model.stop_training = True


def _failed(error: Exception, stage: str, started: float, epochs: int = 0) -> Outcome:
    """The reason in one line; the traceback from the user's own frame on."""
    frames = traceback.format_exception(type(error), error, _user_frames(error))
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    seconds = time.perf_counter() - started
    text = "".join(frames)
    cause = ERROR
    if is_out_of_memory(error):
        cause, reason = OUT_OF_MEMORY, f"out of memory: {reason}"
    return Outcome(
        TrialState.FAILED, epochs=epochs, seconds=seconds, reason=reason, stage=stage, traceback=text, cause=cause
    )


def _user_frames(error: Exception) -> Any:
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__", "").startswith("truetune.training"):
        frame = frame.tb_next
    return frame or error.__traceback__


def _with_seconds(outcome: Outcome, started: float) -> Outcome:
    from dataclasses import replace

    return replace(outcome, seconds=time.perf_counter() - started)
