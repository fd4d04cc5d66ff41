"""Where a trial begins: at its own checkpoint, its parent's, or the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from truetune.errors import StudyError
from truetune.space import Value
from truetune.training.checkpoints.checkpoint import Progress, as_parent, load_checkpoint
from truetune.training.messages import Host, Request
from truetune.training.stages import Stages


def restore(stages: Stages, request: Request, values: Mapping[str, Value], host: Host, resumable: bool) -> Progress:
    """Put the newest usable state into the freshly built model, and report it to `host`.

    A checkpoint that is damaged, or was written by a trial with another seed or other values, is reported and
    not used: the trial is then trained from its parent's checkpoint, and without a usable one from its start.

    Args:
        stages: of the model, which is compiled; a parent's state replaces its own.
        request: names the files.
        values: hyperparameters that the model was built from.
        host: is notified of a resumption or a damaged file.
        resumable: whether the trial's own checkpoint may be gone on from.
    """
    owner = {"seed": request.seed, "values": dict(values)}
    if resumable and request.checkpoint is not None and request.checkpoint.exists():
        own = load_or_note(request.checkpoint, stages.model, owner, request, host, stages.enter)
        if own is not None:
            host.resumed(own.all_reports(request.steps_per_fold))
            return own
        stages.begin_anew()
    if request.load_from is None:
        return Progress(owner=owner)
    parent = load_or_note(request.load_from, stages.model, None, request, host, stages.enter)
    if parent is None:
        stages.begin_anew()
        return Progress(owner=owner)
    return _promoted(as_parent(parent, owner), request.schedule.initial_epoch, stages)


def _promoted(progress: Progress, initial_epoch: int, stages: Stages) -> Progress:
    """Epochs that the parent might have trained, and did not since it stopped early, are not made up for; what stopped
    it does not end the promoted trial.
    """
    unused = max(0, initial_epoch - progress.epoch)
    progress.epoch += unused
    progress.rates += progress.rates[-1:] * unused
    progress.stopped = progress.stopped and not stages.is_last(progress.stage)
    return progress


def load_or_note(
    path: Path,
    model: Any,
    owner: Mapping[str, Any] | None,
    request: Request,
    host: Host,
    prepare: Callable[[int], None],
) -> Progress | None:
    """As `load_checkpoint`; of a file that cannot be used, `host` is notified, and `model` is as before."""
    try:
        return load_checkpoint(path, model, owner, prepare)
    except StudyError as error:
        host.note(f"Trial {request.number} does without {path.name}, which cannot be used: {error.__cause__}.")
        return None
