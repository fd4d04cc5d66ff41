"""What came of a training, in each of the ways in which one can end."""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from truetune.objective import Objective
from truetune.training.callbacks import Stopwatch, never_logged
from truetune.training.checkpoints.checkpoint import EndedFold, Progress
from truetune.training.fit import History
from truetune.training.folds.cross_validation import trained_stages
from truetune.training.messages import Outcome, Request
from truetune.training.out_of_memory import is_out_of_memory
from truetune.trial import ERROR, OUT_OF_MEMORY, TrialState


def ended_fold(outcome: Outcome, progress: Progress, objective: Objective) -> EndedFold:
    """What is kept of a fold when the next one begins."""
    if progress.reports:
        stages = [{**asdict(stage), "learning_rates": list(stage.learning_rates)} for stage in outcome.stages]
        return EndedFold(outcome.epochs, outcome.best_epoch, progress.reports, progress.states, stages)
    values = outcome.history[objective.name]
    reports = dict(enumerate(values, start=1)) if len(values) > 1 else {outcome.best_epoch: values[0]}
    return EndedFold(outcome.epochs, outcome.best_epoch, reports)


def outcome_so_far(
    model: Any, progress: Progress, history: History, request: Request, stages: Sequence[str] = ()
) -> Outcome:
    """Of what was recorded; `model` gets the weights of the best epoch, unless it goes on later. `stages` are the names
    of those that are recorded.
    """
    if progress.paused:
        state = TrialState.PAUSED
    else:
        state = TrialState.PRUNED if progress.pruned else TrialState.COMPLETE
        if progress.best_weights:  # of a fold that was trained ahead farther than this, they are unknown and not needed
            model.set_weights(progress.best_weights)
    score = progress.best_score
    if request.score_epoch is not None and progress.reports:
        score = progress.reports[min(request.score_epoch, max(progress.reports))]
    return Outcome(
        state,
        score,
        progress.epoch,
        progress.best_epoch,
        history=history,
        weights_are_best=state is not TrialState.PAUSED,
        best_score=progress.best_score,
        stages=trained_stages(progress.stages_so_far(stages)),
    )


def scored_from_history(objective: Objective, history: History, epochs_seen: int) -> Outcome:
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


def failed(error: Exception, stage: str, stopwatch: Stopwatch, epochs: int = 0) -> Outcome:
    """The reason in one line; the traceback from the user's own frame on."""
    frames = traceback.format_exception(type(error), error, user_frames(error))
    reason = in_one_line(error)
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


def in_one_line(error: Exception) -> str:
    """The class, the first line of the message, and the part of the recipe that raised it."""
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {error}".splitlines()[0] + notes


def user_frames(error: Exception) -> Any:
    """The traceback from the user's own frame on."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__", "").startswith("truetune.training"):
        frame = frame.tb_next
    return frame or error.__traceback__
