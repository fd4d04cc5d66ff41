"""The weights that a trial's score belongs to, written when the trial has ended and may be the best."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from truetune.objective import Objective
from truetune.system.files import storage_error
from truetune.training.messages import Outcome, Request
from truetune.trial import TrialState


def keep_weights(model: Any, outcome: Outcome, request: Request, objective: Objective) -> str:
    """Write the weights of `model` to `request.weights`, if they are to be kept.

    Without `request.keeps_all`, only those of a complete trial are that is not worse than `request.to_beat`: a trial
    that loses already costs nothing. A file that cannot be written costs the weights, never the trial.

    Returns:
        What a person should read of it; "" where nothing went wrong.
    """
    if request.weights is None or not _is_to_be_kept(outcome, request, objective):
        return ""
    try:
        save_weights(model, request.weights)
    except OSError as error:
        return f"The weights of trial {request.number} are not kept: {storage_error(request.weights, error)}"
    return ""


def _is_to_be_kept(outcome: Outcome, request: Request, objective: Objective) -> bool:
    if outcome.score is None or not outcome.weights_are_best:
        return False
    if request.keeps_all:
        return outcome.state in (TrialState.COMPLETE, TrialState.PRUNED)
    loses = request.to_beat is not None and objective.is_better(request.to_beat, outcome.score)
    return outcome.state is TrialState.COMPLETE and not loses


def save_weights(model: Any, path: Path) -> None:
    """`model.save_weights`, atomically. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keras takes no other ending.
    partial = path.with_name(f".{secrets.token_hex(4)}.weights.h5")
    try:
        model.save_weights(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
