"""Which checkpoint a trial begins from and which it leaves; and when they have served."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from truetune.study.running import RunningTrial
from truetune.training.protocol import Request
from truetune.trial import Trial, TrialState


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a study's trials, one file a trial, in `folder`."""

    folder: Path

    def path(self, number: int) -> Path:
        return self.folder / f"trial_{number:05d}.npz"

    def request(self, running: RunningTrial, seed: int) -> tuple[Request, str]:
        """What the worker is sent, and the name of a parent's checkpoint that is missed ("" where none is)."""
        schedule, own = running.suggestion.schedule, self.path(running.number)
        load_from = None if schedule.parent is None else self.path(schedule.parent)
        lost = ""
        if load_from is not None and not load_from.exists():
            lost = "" if own.exists() else load_from.name
            schedule, load_from = replace(schedule, initial_epoch=0), None
        request = Request(
            running.number,
            seed,
            schedule,
            checkpoint=own,
            load_from=load_from,
            keep=schedule.bracket is not None,
            thawed_at=0 if running.earlier is None else running.earlier.thawed_at,
        )
        return request, lost

    def discard(self, trial: Trial) -> None:
        """A parent's checkpoint has served once its promotion has ended; a trial's own, unless it may be promoted."""
        if trial.schedule.parent is not None:
            self.path(trial.schedule.parent).unlink(missing_ok=True)
        if trial.state is TrialState.FAILED or trial.schedule.bracket is None:
            self.path(trial.number).unlink(missing_ok=True)
