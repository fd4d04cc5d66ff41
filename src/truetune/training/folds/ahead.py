"""A fold that another worker has trained, in whole or in part, becomes a trial's own: as if it had been trained here.

What was trained ahead is replayed to the supervisor epoch by epoch. So pruning decides on the same values in the same
order, and a trial's record does not depend on how many workers trained its folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truetune.data.dataset import Array
from truetune.task import Objective
from truetune.training.callbacks import Course, obey
from truetune.training.checkpoints.checkpoint import Progress
from truetune.training.checkpoints.restore import load_or_say
from truetune.training.folds.cross_validation import restore
from truetune.training.messages import Host, Request


def fold_owner(owner: Mapping[str, Any], fold: int) -> dict[str, Any]:
    """What the file of a fold belongs to: the trial (seed and values) and the fold."""
    return {**owner, "fold": fold}


@dataclass(frozen=True)
class TakesIn:
    """Takes folds into a trial.

    Attributes:
        model: of the trial; it gets the state that the fold was left in.
        start: its variables at the beginning of every fold.
        request, course, objective, patience, host: the trial's.
    """

    model: Any
    start: Sequence[Array]
    request: Request
    course: Course
    objective: Objective
    patience: int | None
    host: Host

    def take_in(self, path: Path, progress: Progress) -> None:
        """Replay the fold in `path` into `progress`, which stands at the fold's beginning.

        Where the fold is not at its end, training can go on from there. Of a file that is damaged or another trial's,
        the host hears, and nothing is taken in.
        """
        ahead = load_or_say(path, self.model, fold_owner(progress.owner, progress.fold), self.request, self.host)
        if ahead is None:
            return
        for index, epoch in enumerate(sorted(ahead.reports)):
            if self._take_epoch(ahead, index, epoch, progress):
                break
        if progress.paused:
            self._keep_for_later(progress)

    def _take_epoch(self, ahead: Progress, index: int, epoch: int, progress: Progress) -> bool:
        """Whether it was the last one."""
        value = ahead.reports[epoch]
        progress.epoch = epoch
        for name, values in ahead.history.items():
            progress.history.setdefault(name, []).append(values[index])
        progress.record(epoch, value, self.objective.is_better(value, progress.best_score))
        if epoch == ahead.best_epoch:
            progress.best_weights = ahead.best_weights
        progress.states.append(ahead.states[index])
        decision = self.host.epoch(progress.step(self.course.steps_per_fold, epoch), value)
        return obey(decision, progress, self.course, self.patience) or progress.paused

    def _keep_for_later(self, progress: Progress) -> None:
        """The searcher paused the trial in the middle of what was trained ahead. It goes on at the fold's beginning,
        and takes the same file in again.
        """
        restore(self.model, self.start)
        begun = copy(progress)
        begun.begin_fold()
        begun.seconds = self.course.stopwatch.seconds
        self.course.times.write(self.model, begun)
