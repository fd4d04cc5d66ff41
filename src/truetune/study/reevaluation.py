"""The finalists are trained again on fresh seeds and fresh splits: what is handed out, answered and recorded.

Every run is recorded when it ends. What is still to be trained is read from the record, so an interruption loses no
more than the runs that were being trained.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from truetune.space import Hyperparameter, Space, Value
from truetune.storage.leases import Leases
from truetune.storage.peers import LOOK_SECONDS
from truetune.storage.store import Store
from truetune.study.budget import Budget, Limits
from truetune.study.evaluation import Evaluation, fresh_seed
from truetune.study.events import Observer
from truetune.task import Objective
from truetune.training import messages
from truetune.trial import (
    TODAY,
    Decision,
    FreshRun,
    PlannedRun,
    Schedule,
    TrainingCourse,
    Trial,
    TrialState,
    todays_trial,
)
from truetune.workers.memory import Death

Missing = Callable[[Sequence[FreshRun]], Sequence[PlannedRun]]
"""Which runs are to be trained next, from those that are recorded; none when all is known."""

Train = Callable[[messages.Request, messages.Host], messages.Outcome | None]
"""Trains what is asked; None when the host refused."""


@dataclass
class RunningFinal:
    """A fresh run on its way.

    Attributes:
        planned: what is trained.
        attempt: how often it was started anew.
        began: on the monotonic clock.
        refused: why it cannot be trained; empty while nothing speaks against it.
    """

    planned: PlannedRun
    attempt: int = 0
    began: float = field(default_factory=time.monotonic)
    refused: str = ""


class Finals:
    """Hands out the fresh runs and records how they went; knows nothing of worker processes.

    Args:
        store: where the runs are recorded.
        space: of the study, with what was discovered.
        trials: all of the study.
        missing: what is to be trained next.
        seed: the study's; seeds and splits of the runs are derived from it.
        limits: how long a run may take, and how often one whose worker died is trained again.
        observer: hears what happens.
        checkpoints: folder for the folds that idle workers train ahead.
        evaluation: in how many folds a run is trained; None is one.
        budget: no run is started that would probably end after the time is up; None for no limit.
        leases: judges other processes, which may train runs of the same study; None where there can be none.
    """

    def __init__(
        self,
        store: Store,
        space: Space,
        trials: Sequence[Trial],
        missing: Missing,
        seed: int,
        limits: Limits,
        observer: Observer,
        checkpoints: Path,
        evaluation: Evaluation | None = None,
        budget: Budget | None = None,
        leases: Leases | None = None,
    ) -> None:
        self._folder, self._leases = checkpoints, leases
        self._budget = budget or Budget(limits, Objective("score", "max"))
        self._evaluation = evaluation or Evaluation()
        self._store, self._space, self._missing = store, space, missing
        self._trials = {trial.number: trial for trial in trials}
        self._seed, self._observer, self.limits = seed, observer, limits
        self._queue: deque[RunningFinal] = deque()
        self._elsewhere: list[RunningFinal] = []
        self._next_look = 0.0
        self._done = self._total = 0
        self._stopped = False

    @property
    def has_more(self) -> bool:
        """Whether runs of this stage are left to start."""
        return bool(self._queue)

    @property
    def waits_for_others(self) -> bool:
        """Whether other processes train runs of this stage: if they die, these are ours to do."""
        return bool(self._elsewhere) and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the time is up also for what runs."""
        return self._budget.is_over

    def _stop_for_time(self) -> bool:
        """Whether no time is left for a further run; then none is handed out any more, and that is said once."""
        why = self._budget.why_no_time()
        if why and not self._stopped:
            self._observer.note(f"Finalists are not trained again to the end; the same command goes on. {why}")
            self._stopped = True
            self._queue.clear()
            self._elsewhere.clear()
        return self._stopped

    def begin_stage(self) -> bool:
        """Read what is to be trained now that nothing runs; False when all is known."""
        todo = self._missing(self._store.fresh_runs())
        if not todo or self._stop_for_time():
            return False
        self._queue.extend(RunningFinal(planned) for planned in todo)
        self._done, self._total = 0, len(todo)
        self._observer.finals_started(self._total)
        return True

    def next(self, worker: int = 0) -> RunningFinal | None:
        """The run that `worker` (whoever it is) should train now; None when none is left of this stage, or others train
        what is. Another process may have trained some.
        """
        if self._elsewhere and time.monotonic() >= self._next_look:
            self._queue.extend(self._elsewhere)
            self._elsewhere.clear()
        recorded = self._recorded() if self._queue else {}
        while self._queue and not self._stop_for_time():
            running = self._queue.popleft()
            if running.planned in recorded:
                self._say_ended(recorded[running.planned])
            elif not self._claims(running):
                self._wait_for(running)
            elif running.planned in (recorded := self._recorded()):  # since we looked, and its owner has left
                self._say_ended(recorded[running.planned])
            else:
                running.began = time.monotonic()
                return running
        return None

    def _recorded(self) -> dict[PlannedRun, FreshRun]:
        return {run.planned: run for run in self._store.fresh_runs()}

    def _claims(self, running: RunningFinal) -> bool:
        return self._store.claim_fresh(running.planned, self._alive())

    def _wait_for(self, running: RunningFinal) -> None:
        self._elsewhere.append(running)
        self._next_look = time.monotonic() + LOOK_SECONDS

    def _alive(self) -> set[str]:
        owners = self._store.owners() if self._leases else {}
        return set(owners) - (self._leases.dead(owners) if self._leases else set())

    def request(self, running: RunningFinal) -> messages.Request:
        """What the worker is sent: trained from the beginning, also where the trial continued another."""
        planned = running.planned
        epochs, course = self._epochs(planned.trial)
        request = messages.Request(
            number=planned.trial,
            seed=fresh_seed(self._seed, planned, "training"),
            schedule=Schedule(epochs=epochs),
            split_seed=fresh_seed(self._seed, planned, "split"),
            score_epoch=None if course is None else course.total,
            stage_epochs=() if course is None else course.epochs,
        )
        return self._evaluation.asked(request)

    def _epochs(self, number: int) -> tuple[int | None, TrainingCourse | None]:
        """How long a run of trial `number` is trained (None: as the task says), and what leads to the scored epoch.

        A finalist is trained as the search trained it. Today's configuration is what stands in the config, so it is
        trained in full, however early the search gave it up; its own best epoch is then scored, in its favour.
        """
        trial = self._trials[number]
        if number != TODAY:
            return trial.schedule.epochs, trial.course if trial.state is TrialState.COMPLETE else None
        today = todays_trial([self._trials[n] for n in sorted(self._trials)], self._evaluation.epochs)
        return None, None if today is None else today.course

    def host(self, running: RunningFinal) -> FinalHost:
        """Answers whoever trains it."""
        return FinalHost(self, running)

    def fold_file(self, running: RunningFinal, fold: int) -> Path:
        """Where a fold is left that another worker trains ahead."""
        return self._folder / f"{_stem(running.planned)}_fold_{fold}.npz"

    def known(self, running: RunningFinal, hyperparameter: Hyperparameter) -> Value:
        """The value that the trial had. Raises Declined where its builder did not ask for it."""
        return self.answer(running, hyperparameter)

    def answer(self, running: RunningFinal, hyperparameter: Hyperparameter) -> Value:
        """The value that the trial had.

        Raises:
            Declined: the trial was not asked for this one.
        """
        key = self._space.add(hyperparameter)
        values = self._trials[running.planned.trial].values
        if key not in values:
            running.refused = f"the builder asks for '{key}', which it did not ask for in trial {running.planned.trial}"
            raise messages.Declined(running.refused)
        return values[key]

    def ended(self, running: RunningFinal, outcome: messages.Outcome | None) -> None:
        """Record how a run went; `outcome` is None for one that was refused."""
        outcome = outcome or messages.Outcome(TrialState.FAILED, reason=running.refused)
        if not self._claims(running):
            self.note(f"A fresh run of trial {running.planned.trial} was taken over while this process stood still.")
            self._wait_for(running)
            return
        run = self._recorded().get(running.planned)
        if run is None:
            run = _as_recorded(running.planned, outcome)
            self._store.add_fresh(run)
        for path in self._folder.glob(f"{_stem(running.planned)}_fold_*.npz"):
            path.unlink(missing_ok=True)
        self._say_ended(run)

    def died(self, running: RunningFinal, death: Death) -> None:
        """The worker of a run died. It is trained again, since the trial did well once in a worker like it."""
        if running.attempt >= self.limits.max_retries:
            self.failed(running, death.reason, death.cause)
            return
        self.note(f"A fresh run of trial {running.planned.trial} is trained again: {death.reason}.")
        self._queue.append(RunningFinal(running.planned, running.attempt + 1))

    def failed(self, running: RunningFinal, reason: str, cause: str) -> None:
        """Record a run that has no outcome of its own."""
        seconds = time.monotonic() - running.began
        self.ended(running, messages.Outcome(TrialState.FAILED, reason=reason, seconds=seconds, cause=cause))

    def close(self, running: Sequence[RunningFinal]) -> None:
        """Runs that the end of the time interrupts are still missing, and trained another time."""

    def note(self, line: str) -> None:
        self._observer.note(line)

    def _say_ended(self, run: FreshRun) -> None:
        self._done += 1
        self._observer.fresh_run_ended(run, self._done, self._total)


def _stem(planned: PlannedRun) -> str:
    return f"fresh_{planned.stage}_{planned.trial:05d}_{planned.repeat}"


def _as_recorded(planned: PlannedRun, outcome: messages.Outcome) -> FreshRun:
    run = FreshRun(planned.trial, planned.repeat, planned.stage, None, None, outcome.seconds)
    if outcome.state is not TrialState.COMPLETE or outcome.score is None:
        return replace(run, reason=outcome.reason or "it has no score")
    best = outcome.score if outcome.best_score is None else outcome.best_score
    return replace(run, score=outcome.score, best=best, fold_scores=tuple(outcome.fold_scores))


def run_finals_in_process(finals: Finals, train: Train) -> None:
    """Train one run after the other with `train`, in this process.

    Raises:
        TruetuneError: what `train` raises: no further run can mend it.
    """
    while finals.begin_stage():
        while (running := finals.next()) is not None or finals.waits_for_others:
            if running is None:
                time.sleep(LOOK_SECONDS)
                continue
            try:
                outcome = train(finals.request(running), finals.host(running))
            except messages.Declined:
                outcome = None
            finals.ended(running, outcome)


class FinalHost(messages.Host):
    """Answers a fresh run from its trial; nothing stops it."""

    def __init__(self, finals: Finals, running: RunningFinal) -> None:
        self._finals, self._running = finals, running

    def answer(self, hyperparameter: Hyperparameter) -> Value:
        return self._finals.answer(self._running, hyperparameter)

    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        return True

    def resumed(self, reports: Mapping[int, float]) -> None:
        raise AssertionError("a fresh run has no checkpoint to go on from")

    def epoch(self, epoch: int, value: float) -> Decision:
        return Decision.GO_ON

    def note(self, line: str) -> None:
        self._finals.note(line)
