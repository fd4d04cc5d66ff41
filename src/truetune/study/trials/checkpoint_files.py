"""Which checkpoint a trial begins from and which it leaves; and when they have served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from truetune.search.base import Searcher
from truetune.study.trials.running import RunningTrial
from truetune.training.messages import Request
from truetune.trial import Trial, TrialState

FILES = r"trial_(?P<number>\d+)(_fold_\d+)?\.npz"
"""Names of the files of `Checkpoints`, as a regular expression."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a study's trials in `folder`: one file a trial, and one for each fold that was trained ahead
    of it.
    """

    folder: Path
    _waiting: set[int] = field(default_factory=set)
    """Trials that have ended and may be promoted."""

    @classmethod
    def of(cls, folder: Path, trials: Iterable[Trial]) -> Checkpoints:
        """Those that the `trials` of earlier runs left."""
        ended = (t for t in trials if t.state.is_finished and t.schedule.bracket is not None)
        checkpoints = cls(folder)
        checkpoints._waiting.update(t.number for t in ended if checkpoints.path(t.number).exists())
        return checkpoints

    def path(self, number: int) -> Path:
        return self.folder / f"trial_{number:05d}.npz"

    def fold_path(self, number: int, fold: int) -> Path:
        return self.folder / f"trial_{number:05d}_fold_{fold}.npz"

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
        for path in self.folder.glob(f"trial_{trial.number:05d}_fold_*.npz"):
            path.unlink(missing_ok=True)
        if trial.state is TrialState.FAILED or trial.schedule.bracket is None:
            self.path(trial.number).unlink(missing_ok=True)
        else:
            self._waiting.add(trial.number)

    def discard_losers(self, searcher: Searcher) -> None:
        """Of trials that will not be promoted any more, which `searcher` knows after `tell` of the latest end."""
        for number in [n for n in self._waiting if not searcher.may_be_continued(n)]:
            self.path(number).unlink(missing_ok=True)
            self._waiting.discard(number)
