"""Runs trials until the budget is used: in worker processes, or in this one for a debugger."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from truetune.errors import SearchStopped
from truetune.space import Hyperparameter, Value
from truetune.study.answering import reply
from truetune.study.lifecycle import Lifecycle
from truetune.study.running import RunningTrial
from truetune.study.workers import STARTS, Worker, WorkerDied, Workers, raise_refusal
from truetune.training import protocol
from truetune.trial import KILLED, TIMEOUT, Decision, TrialState

if TYPE_CHECKING:
    from truetune.training.folds import FoldSource

WAIT_SECONDS = 1.0
"""How long the supervisor sleeps at most; it wakes at once for a message, a death or Ctrl-C."""


def run_in_workers(lifecycle: Lifecycle, workers: Workers) -> None:
    """Keep every worker busy until nothing is left to do.

    Raises:
        SpaceError, ObjectiveError, BuildError: what no further trial can mend.
        RepeatedFailure: several trials in a row failed for the same reason.
        SearchStopped: a worker cannot even start.
    """
    loop = _Loop(lifecycle, workers)
    while loop.dispatch():
        for worker in workers.wait(WAIT_SECONDS):
            loop.hear(worker)
    lifecycle.interrupt(loop.running())
    lifecycle.close_paused()


class _Loop:
    def __init__(self, lifecycle: Lifecycle, workers: Workers) -> None:
        self._lifecycle, self._workers = lifecycle, workers
        self._running: dict[int, RunningTrial] = {}
        self._failed_starts = 0

    def running(self) -> list[RunningTrial]:
        return list(self._running.values())

    def dispatch(self) -> bool:
        """Give idle workers something to do; False when all is done."""
        if self._lifecycle.is_over:
            return False
        self._stop_late()
        for worker in self._workers.idle():
            running = self._lifecycle.next(worker.index)
            if running is not None:
                self._running[worker.index] = running
                worker.send(self._lifecycle.request(running))
        starting = not any(worker.ready for worker in self._workers)
        return bool(self._running) or (starting and self._lifecycle.has_more) or self._lifecycle.waits_for_others

    def _stop_late(self) -> None:
        """End the trials that take longer than a trial may."""
        limit = self._lifecycle.limits.trial_timeout
        if limit is None:
            return
        for index, running in list(self._running.items()):
            seconds = time.monotonic() - running.began
            if seconds > limit:
                self._workers.by_index(index).restart()
                del self._running[index]
                reason = f"it took longer than --trial-timeout allows ({limit:g} s)"
                outcome = protocol.Outcome(TrialState.FAILED, reason=reason, seconds=seconds, cause=TIMEOUT)
                self._lifecycle.ended(running, outcome)

    def hear(self, worker: Worker) -> None:
        """Handle one message of `worker`, or its death."""
        try:
            message = worker.receive()
        except WorkerDied as death:
            self._bury(worker, death)
            return
        running = self._running.get(worker.index)
        if isinstance(message, protocol.Refused):
            raise_refusal(message)
        elif isinstance(message, protocol.Ready):
            worker.ready, worker.busy, self._failed_starts = True, False, 0
        elif running is not None and isinstance(message, protocol.Ended):
            self._end(worker, running, message)
        elif running is not None:
            worker.send(reply(LifecycleHost(self._lifecycle, running), message))

    def _end(self, worker: Worker, running: RunningTrial, message: protocol.Ended) -> None:
        worker.busy = False
        del self._running[worker.index]
        self._lifecycle.ended(running, message.outcome)
        if (worker.has_grown(message.memory) or worker.is_nearly_full()) and self._lifecycle.has_more:
            self._workers.renew(worker)

    def _bury(self, worker: Worker, death: WorkerDied) -> None:
        """A dead worker is replaced. Its trial is trained again where it was not to blame, and failed where it was."""
        running = self._running.pop(worker.index, None)
        self._failed_starts += not worker.ready
        if self._failed_starts >= STARTS:
            raise SearchStopped(
                f"A worker cannot start: {death.reason}. Its output is in the study's folder, worker-*.log."
            )
        worker.restart()
        if running is not None:
            seconds = time.monotonic() - running.began
            outcome = protocol.Outcome(TrialState.FAILED, reason=death.reason, seconds=seconds, cause=death.cause)
            end = self._lifecycle.died if death.cause == KILLED else self._lifecycle.ended
            end(running, outcome)


def run_in_process(lifecycle: Lifecycle, task: protocol.TrainingTask, folds: FoldSource) -> None:
    """Train one trial after the other in this process, where a debugger can stop in the builder."""
    while not lifecycle.is_over:
        running = lifecycle.next(worker=0)
        if running is not None:
            outcome = trained(task, folds, lifecycle.request(running), LifecycleHost(lifecycle, running))
            lifecycle.ended(running, outcome)
        elif lifecycle.waits_for_others:
            time.sleep(WAIT_SECONDS)
        else:
            break
    lifecycle.close_paused()


def trained(
    task: protocol.TrainingTask, folds: FoldSource, request: protocol.Request, host: protocol.Host
) -> protocol.Outcome | None:
    """Train what is asked, in this process."""
    from truetune.training.worker import run_request

    ended = run_request(task, folds, request, host)
    assert isinstance(ended, protocol.Ended)
    return ended.outcome


class LifecycleHost(protocol.Host):
    """Answers a trial from its lifecycle."""

    def __init__(self, lifecycle: Lifecycle, running: RunningTrial) -> None:
        self._lifecycle, self._running = lifecycle, running

    def answer(self, hyperparameter: Hyperparameter) -> Value:
        return self._lifecycle.answer(self._running, hyperparameter)

    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        return self._lifecycle.built(self._running, values, parameters, complete)

    def resumed(self, reports: Mapping[int, float]) -> None:
        self._lifecycle.resumed(self._running, reports)

    def epoch(self, epoch: int, value: float) -> Decision:
        return self._lifecycle.epoch(self._running, epoch, value)

    def note(self, line: str) -> None:
        self._lifecycle.note(line)
