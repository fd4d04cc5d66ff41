"""Drives the worker processes that train the finalists again."""

from __future__ import annotations

import time

from truetune.errors import SearchStopped
from truetune.study.answering import reply
from truetune.study.finals import FinalHost, Finals, RunningFinal
from truetune.study.workers import STARTS, Worker, WorkerDied, Workers, raise_refusal
from truetune.training import protocol

WAIT_SECONDS = 1.0
"""How long the supervisor sleeps at most; it wakes at once for a message, a death or Ctrl-C."""


def run_finals_in_workers(finals: Finals, workers: Workers) -> None:
    """Keep every worker busy until nothing is left to train.

    Raises:
        SpaceError, ObjectiveError, BuildError: what no further run can mend.
        SearchStopped: a worker cannot even start.
    """
    loop = _Loop(finals, workers)
    while finals.begin_stage():
        while loop.dispatch():
            for worker in workers.wait(WAIT_SECONDS):
                loop.hear(worker)


class _Loop:
    def __init__(self, finals: Finals, workers: Workers) -> None:
        self._finals, self._workers = finals, workers
        self._running: dict[int, RunningFinal] = {}
        self._failed_starts = 0

    def dispatch(self) -> bool:
        """Give idle workers something to do; False when this stage is done."""
        if self._finals.is_over:
            return False
        self._stop_late()
        for worker in self._workers.idle():
            running = self._finals.next()
            if running is not None:
                self._running[worker.index] = running
                worker.send(self._finals.request(running))
        return bool(self._running) or self._finals.has_more

    def _stop_late(self) -> None:
        limit = self._finals.limits.trial_timeout
        for index, running in list(self._running.items()):
            if limit is not None and time.monotonic() - running.began > limit:
                self._workers.by_index(index).restart()
                del self._running[index]
                self._finals.failed(running, f"it took longer than --trial-timeout allows ({limit:g} s)")

    def hear(self, worker: Worker) -> None:
        """Handle one message of `worker`, or its death."""
        try:
            message = worker.receive()
        except WorkerDied as death:
            self._bury(worker, death)
            return
        running = self._running.get(worker.index)
        if isinstance(message, protocol.Refused) and not isinstance(message.error, protocol.Declined):
            raise_refusal(message)
        elif isinstance(message, protocol.Ready):
            worker.ready, worker.busy, self._failed_starts = True, False, 0
        elif running is not None and isinstance(message, (protocol.Ended, protocol.Refused)):
            self._end(worker, running, message)
        elif running is not None:
            worker.send(reply(FinalHost(self._finals, running), message))

    def _end(self, worker: Worker, running: RunningFinal, message: protocol.Ended | protocol.Refused) -> None:
        worker.busy = False
        del self._running[worker.index]
        ended = message if isinstance(message, protocol.Ended) else None
        self._finals.ended(running, None if ended is None else ended.outcome)
        if (ended is not None and worker.has_grown(ended.memory)) or worker.is_nearly_full():
            self._workers.renew(worker)

    def _bury(self, worker: Worker, death: WorkerDied) -> None:
        running = self._running.pop(worker.index, None)
        self._failed_starts += not worker.ready
        if self._failed_starts >= STARTS:
            raise SearchStopped(
                f"A worker cannot start: {death.reason}. Its output is in the study's folder, worker-*.log."
            )
        worker.restart()
        if running is not None:
            self._finals.died(running, death.reason)
