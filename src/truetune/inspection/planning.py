"""What a search would do and how long it would take, without running it."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from truetune.data.splitting.protocols import Protocol
from truetune.results.finalists import FreshTraining
from truetune.session.opening import opened
from truetune.session.request import SearchRequest
from truetune.session.session import Session
from truetune.space import Space
from truetune.study.events import Observer
from truetune.study.options import NESTED, SearchOptions
from truetune.task import Task
from truetune.training import messages


@dataclass(frozen=True)
class SearchPlan:
    """What a search would do.

    Attributes:
        space: the search space.
        schedule: lines that describe how it is searched.
        notes: remarks on the data and on today's configuration.
        timing: measured on the default model.
        trials: number of trials.
        epochs: upper bound, over all trials and folds.
        workers: trials at once.
        finals: upper bound of the re-trainings of finalists.
        final_epochs: upper bound of their epochs in total.
        searches: number of such searches; more than one for a nested evaluation.
        winners: trainings of the outer folds' winners.
        winner_epochs: upper bound of their epochs in total.
    """

    space: Space
    schedule: tuple[str, ...]
    notes: tuple[str, ...]
    timing: messages.Timing
    trials: int
    epochs: int
    workers: int
    finals: int = 0
    final_epochs: int = 0
    searches: int = 1
    winners: int = 0
    winner_epochs: int = 0

    @property
    def seconds(self) -> float:
        """Upper bound: every training costs as much as the default model's, none stops early, workers share cores."""
        each_start = self.timing.build_seconds + max(0.0, self.timing.first_epoch_seconds - self.timing.epoch_seconds)
        starts = self.searches * (self.trials + self.finals) + self.winners
        epochs = self.searches * (self.epochs + self.final_epochs) + self.winner_epochs
        return starts * each_start + epochs * self.timing.epoch_seconds

    @property
    def combinations(self) -> int | None:
        """Number of combinations, ignoring conditions; None if a range is continuous."""
        sizes = [hp.size() for hp in self.space.tunable().values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)


def make_plan(task: Task, options: SearchOptions) -> SearchPlan:
    """Trace the space and time two epochs of the default model. Trains nothing else and touches no study."""
    from truetune.workers.pool import ask_one

    notes = _Notes()
    with tempfile.TemporaryDirectory() as scratch:
        elsewhere = replace(options, directory=Path(scratch), storage=None, fresh=False, workers=1)
        with opened(SearchRequest(task, elsewhere, notes)) as session:
            session.prepare_data()
            with session.workers() as workers:
                worker = next(iter(workers))
                traced = ask_one(worker, messages.Trace())
                timed = ask_one(worker, messages.TimeEpoch())
            assert isinstance(traced, messages.Traced)
            assert isinstance(timed, messages.Timed)
            searcher = session.searcher(traced.space, [])
            n_folds, searches = len(session.data.folds), _searches(session)
    most = task.fit.most_epochs(task.epochs, traced.space)
    budget = options.budget(most)
    finals = FreshTraining(options.finalists, options.fresh_runs).of_search(budget.trials).most_runs
    winners = (searches - 1) * options.fresh_runs
    return SearchPlan(
        traced.space,
        tuple(searcher.plan()),
        tuple(notes.lines),
        timed.timing,
        budget.trials,
        budget.epochs * n_folds,
        max(1, options.worker_count),
        finals,
        finals * most * n_folds,
        searches,
        winners,
        winners * most,
    )


def _searches(session: Session) -> int:
    """Number of searches: a nested evaluation searches in every outer fold, and once more on all rows."""
    options = session.request.options
    if options.protocol != NESTED:
        return 1
    outer = Protocol.of(options.outer, options.outer_folds)
    return len(outer.folds(session.data.development, options.seed)) + 1


class _Notes(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)
