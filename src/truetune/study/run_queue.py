"""Which re-training is next, and by which process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from truetune.storage.base import Store
from truetune.storage.leases import Leases
from truetune.storage.peers import LOOK_SECONDS
from truetune.study.budget import Budget
from truetune.study.context import StudyContext
from truetune.study.events import Observer
from truetune.trial import FreshRun, PlannedRun

Missing = Callable[[Sequence[FreshRun]], Sequence[PlannedRun]]
"""Which runs are to be trained next, from those that are recorded; none when all is known."""


@dataclass
class RunningFinal:
    """A re-training in progress.

    Attributes:
        planned: what is trained.
        attempt: how often it was restarted.
        began: on the monotonic clock.
        refused: why it cannot be trained; empty if it can.
    """

    planned: PlannedRun
    attempt: int = 0
    began: float = field(default_factory=time.monotonic)
    refused: str = ""


class RunQueue:
    """The runs of one stage: those to train here, and those that other processes train.

    Args:
        missing: what is to be trained next.
        context: of the study, whose record other processes read and write too.
        budget: no run is started that would probably end after the time is up.

    Attributes:
        waiting: runs to train here.
    """

    def __init__(self, missing: Missing, context: StudyContext, budget: Budget) -> None:
        self._missing, self._budget = missing, budget
        self._store: Store = context.store
        self._observer: Observer = context.observer
        self._leases: Leases | None = context.leases
        self.waiting: deque[RunningFinal] = deque()
        self._elsewhere: list[RunningFinal] = []
        self._next_look = 0.0
        self._done = self._total = 0
        self._stopped = False

    @property
    def others_train(self) -> bool:
        """Whether other processes train runs of this stage: if they die, these are ours to do."""
        return bool(self._elsewhere)

    def begin_stage(self) -> bool:
        """Read what is to be trained now that nothing runs; False when all is known."""
        todo = self._missing(self._store.fresh_runs())
        if not todo or self._stop_for_time():
            return False
        self.waiting.extend(RunningFinal(planned) for planned in todo)
        self._done, self._total = 0, len(todo)
        self._observer.finals_started(self._total)
        return True

    def _stop_for_time(self) -> bool:
        """Whether no time is left for a further run; then none is handed out any more, and that is noted once."""
        why = self._budget.why_no_time()
        if why and not self._stopped:
            self._observer.note(f"The re-evaluation is incomplete; rerun the same command to continue. {why}")
            self._stopped = True
            self.waiting.clear()
            self._elsewhere.clear()
        return self._stopped

    def next(self) -> RunningFinal | None:
        """The run to train now, claimed for this process; None when none is left of this stage, or others train what
        is. Another process may have trained some.
        """
        if self._elsewhere and time.monotonic() >= self._next_look:
            self.waiting.extend(self._elsewhere)
            self._elsewhere.clear()
        recorded = self._recorded() if self.waiting else {}
        while self.waiting and not self._stop_for_time():
            running = self.waiting.popleft()
            if running.planned in recorded:
                self._count(recorded[running.planned])
            elif not self._claims(running):
                self._leave_to_others(running)
            elif running.planned in (recorded := self._recorded()):  # since we looked, and its owner has left
                self._count(recorded[running.planned])
            else:
                running.began = time.monotonic()
                return running
        return None

    def record(self, running: RunningFinal, run: FreshRun) -> bool:
        """Keep `run`, unless it is recorded already; False where another process has taken it over."""
        if not self._claims(running):
            self._leave_to_others(running)
            return False
        earlier = self._recorded().get(running.planned)
        if earlier is None:
            self._store.add_fresh(run)
        self._count(earlier or run)
        return True

    def _recorded(self) -> dict[PlannedRun, FreshRun]:
        return {run.planned: run for run in self._store.fresh_runs()}

    def _claims(self, running: RunningFinal) -> bool:
        return self._store.claim_fresh(running.planned, self._alive())

    def _alive(self) -> set[str]:
        owners = self._store.owners() if self._leases else {}
        return set(owners) - (self._leases.dead(owners) if self._leases else set())

    def _leave_to_others(self, running: RunningFinal) -> None:
        self._elsewhere.append(running)
        self._next_look = time.monotonic() + LOOK_SECONDS

    def _count(self, run: FreshRun) -> None:
        self._done += 1
        self._observer.fresh_run_ended(run, self._done, self._total)
