"""Where a trial begins: at its own checkpoint, its parent's, or the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truetune.errors import StudyError
from truetune.space import Value
from truetune.training.checkpoints.checkpoint import Progress, as_parent, load_checkpoint
from truetune.training.messages import Host, Request


@dataclass(frozen=True)
class Beginning:
    """`progress` so far, and the first epoch to train (0 is the very first)."""

    progress: Progress
    initial_epoch: int


def take_up(model: Any, request: Request, values: Mapping[str, Value], host: Host, resumable: bool) -> Beginning:
    """Put the newest usable state into the freshly built `model`; `host` hears of it.

    A checkpoint that is damaged, or was written by a trial with another seed or other values, is said and left
    unused: the trial is then trained from its parent's checkpoint, and without a usable one from its start.

    Args:
        model: compiled; a parent's state replaces its own.
        request: names the files.
        values: hyperparameters that the model was built from.
        host: hears of a resumption or a damaged file.
        resumable: whether the trial's own checkpoint may be gone on from.
    """
    owner = {"seed": request.seed, "values": dict(values)}
    if resumable and request.checkpoint is not None and request.checkpoint.exists():
        own = load_or_say(request.checkpoint, model, owner, request, host)
        if own is not None:
            host.resumed(own.all_reports(request.steps_per_fold))
            return Beginning(own, own.epoch)
    if request.load_from is None:
        return Beginning(Progress(owner=owner), request.schedule.initial_epoch)
    parent = load_or_say(request.load_from, model, None, request, host)
    if parent is None:
        return Beginning(Progress(owner=owner), 0)
    return Beginning(as_parent(parent, owner), request.schedule.initial_epoch)


def load_or_say(
    path: Path, model: Any, owner: Mapping[str, Any] | None, request: Request, host: Host
) -> Progress | None:
    """As `load_checkpoint`; of a file that cannot be used, `host` hears, and `model` is as it was."""
    try:
        return load_checkpoint(path, model, owner)
    except StudyError as error:
        host.note(f"Trial {request.number} does without {path.name}, which cannot be used: {error.__cause__}.")
        return None
