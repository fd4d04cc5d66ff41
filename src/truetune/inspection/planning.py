"""What a search would do and how long it would take, before it does it."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from truetune.data.splitting.protocols import Protocol
from truetune.results.finalists import FreshTraining
from truetune.session import Session, opened
from truetune.space import Space
from truetune.study.events import Observer
from truetune.study.options import NESTED, SearchOptions
from truetune.task import Task
from truetune.training import messages


@dataclass(frozen=True)
class SearchPlan:
    """What a search would do.

    Attributes:
        space: what it would search.
        schedule: lines that say how.
        notes: what the data and today's configuration gave rise to.
        timing: of the default model.
        trials: how many.
        epochs: trained at most, all trials and folds together.
        workers: at once.
        finals: fresh trainings of the finalists at most.
        final_epochs: of these at most, all together.
        searches: so many like this one; more than one where the evaluation is nested.
        winners: trainings of the outer folds' winners, which are measured then.
        winner_epochs: of these at most, all together.
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
        """At most: every training like that of the default model, none stopped early; workers share the cores."""
        each_start = self.timing.build_seconds + max(0.0, self.timing.first_epoch_seconds - self.timing.epoch_seconds)
        starts = self.searches * (self.trials + self.finals) + self.winners
        epochs = self.searches * (self.epochs + self.final_epochs) + self.winner_epochs
        return starts * each_start + epochs * self.timing.epoch_seconds

    @property
    def combinations(self) -> int | None:
        """How many there are, conditions left aside; None where a range is continuous."""
        sizes = [hp.size() for hp in self.space.tunable().values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)


def make_plan(task: Task, options: SearchOptions) -> SearchPlan:
    """Trace the space and time two epochs of the default model; nothing else is trained, no study is touched."""
    from truetune.workers.pool import ask_one

    notes = _Notes()
    with tempfile.TemporaryDirectory() as scratch:
        elsewhere = replace(options, directory=Path(scratch), storage=None, fresh=False, workers=1)
        with opened(task, elsewhere, notes) as session:
            session.prepare_data()
            with session.workers() as workers:
                worker = next(iter(workers))
                traced = ask_one(worker, messages.Trace())
                timed = ask_one(worker, messages.TimeEpoch())
            assert isinstance(traced, messages.Traced)
            assert isinstance(timed, messages.Timed)
            searcher = session.searcher(traced.space, [])
            n_folds, searches = len(session.folds), _searches(session)
    budget = options.budget(task.epochs)
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
        finals * task.epochs * n_folds,
        searches,
        winners,
        winners * task.epochs,
    )


def _searches(session: Session) -> int:
    """A nested evaluation searches in every outer fold, and once more on all rows."""
    options = session.options
    if options.protocol != NESTED:
        return 1
    development = session.seal().development(session.dataset)
    return len(Protocol.of(options.outer, options.outer_folds).folds(development, options.seed)) + 1


class _Notes(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)
