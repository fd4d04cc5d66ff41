"""A fold that another worker has trained, in whole or in part, becomes a trial's own: as if it had been trained here.

What was trained ahead is replayed to the supervisor epoch by epoch. So pruning decides on the same values in the same
order, and a trial's record does not depend on how many workers trained its folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truetune.objective import Objective
from truetune.training.callbacks import Course
from truetune.training.checkpoints.checkpoint import Progress, follow, go_on_as
from truetune.training.checkpoints.restore import load_or_note
from truetune.training.messages import Host, Request
from truetune.trial import Decision


def fold_owner(owner: Mapping[str, Any], fold: int) -> dict[str, Any]:
    """What the file of a fold belongs to: the trial (seed and values) and the fold."""
    return {**owner, "fold": fold}


@dataclass(frozen=True)
class TakesIn:
    """Takes folds into a trial.

    Attributes:
        model: of the trial; it gets the state that the fold was left in.
        request, course, objective, host: the trial's.
    """

    model: Any
    request: Request
    course: Course
    objective: Objective
    host: Host

    def take_in(self, path: Path, progress: Progress) -> None:
        """Replay the fold in `path` into `progress`, which stands at the fold's beginning.

        If the fold is not at its end, training can continue from there. A file that is damaged or another trial's is
        reported to the host and not used.
        """
        owner, prepare = fold_owner(progress.owner, progress.fold), self.course.stages.enter
        ahead = load_or_note(path, self.model, owner, self.request, self.host, prepare)
        if ahead is None:
            self.course.stages.begin_anew()
            return
        for index, epoch in enumerate(sorted(ahead.reports)):
            if self._take_epoch(ahead, index, epoch, progress):
                break
        else:
            go_on_as(progress, ahead)
        if progress.paused:
            self._keep_for_later(progress)

    def _take_epoch(self, ahead: Progress, index: int, epoch: int, progress: Progress) -> bool:
        """Whether the searcher ends the fold, or the trial for now, after it."""
        value = ahead.reports[epoch]
        follow(progress, ahead, epoch)
        progress.epoch = epoch
        progress.log({name: values[index] for name, values in ahead.history.items()})
        progress.rates += ahead.rates[index : index + 1]
        progress.record(epoch, value, self.objective.is_better)
        if epoch == ahead.best_epoch:
            progress.best_weights = ahead.best_weights
        progress.states.append(ahead.states[index])
        decision = self.host.epoch(progress.step(self.course.steps_per_fold, epoch), value)
        progress.pruned = decision is Decision.STOP
        is_last = index + 1 == len(ahead.reports)
        progress.paused = decision is Decision.PAUSE and not (is_last and self.course.is_over(ahead))
        return progress.pruned or progress.paused

    def _keep_for_later(self, progress: Progress) -> None:
        """The searcher paused the trial in the middle of what was trained ahead. It goes on at the fold's beginning,
        and takes the same file in again.
        """
        stages = self.course.stages
        stages.begin_anew()
        stages.enter(0)
        begun = copy(progress)
        begun.begin_fold()
        begun.seconds = self.course.stopwatch.seconds
        self.course.times.write(self.model, begun)
