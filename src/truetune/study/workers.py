"""Worker processes: started with `spawn`, kept warm between trials, replaced when they die or grow."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait

from truetune.errors import TruetuneError
from truetune.training import protocol
from truetune.training.worker import WorkerSettings
from truetune.training.worker import main as worker_main

GROWTH_LIMIT = 100 * 2**20
"""Bytes a worker may grow beyond its size after the first trial. TensorFlow leaks 5 to 12 MiB a trial, which neither
`clear_session` nor the garbage collector gives back."""

CLOSE_SECONDS = 5.0


class WorkerDied(Exception):
    """The process ended without an answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Worker:
    """One process and the pipe to it.

    Attributes:
        index: 0, 1, …; a replacement keeps its predecessor's.
        ready: it has loaded everything.
        busy: it works on something.
    """

    def __init__(self, index: int, settings: WorkerSettings) -> None:
        self.index = index
        self.ready = False
        self.busy = True  # loading
        self._settings = replace(settings, log=settings.log.with_name(f"worker-{index}.log"))
        self._first_memory: int | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=worker_main, args=(theirs, self._settings), daemon=True)
        with _hidden_main():
            self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def send(self, message: object) -> None:
        self.busy = True
        try:
            self.connection.send(message)
        except (BrokenPipeError, ConnectionError):
            return  # the next `receive` says how it died

    def receive(self) -> object:
        """The next message. Raises WorkerDied when there will be none."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            self._process.join(CLOSE_SECONDS)
            raise WorkerDied(_how_it_ended(self._process.exitcode)) from None

    def has_grown(self, memory: int) -> bool:
        """Whether `memory` (resident bytes after a trial) says that it should be replaced."""
        if self._first_memory is None:
            self._first_memory = memory
        return memory > self._first_memory + GROWTH_LIMIT

    def has_loaded(self) -> bool:
        """Whether it has become ready since it was started; does not wait. Raises WorkerDied."""
        if not self.ready and self.connection.poll():
            self.ready = isinstance(self.receive(), protocol.Ready)
            self.busy = not self.ready
        return self.ready

    def restart(self) -> None:
        """A new process in the place of this one."""
        self.close()
        self.ready, self.busy, self._first_memory = False, True, None
        self._start()

    def close(self) -> None:
        """End the process at once: all that matters is with the supervisor already."""
        self._process.kill()
        self.connection.close()
        self._process.join()


class Workers:
    """A fixed number of workers, and the successors of those that have grown."""

    def __init__(self, count: int, settings: WorkerSettings) -> None:
        self._settings = settings
        self._workers = [Worker(index, settings) for index in range(count)]
        self._successors: dict[int, Worker] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    def idle(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.ready and not worker.busy]

    def by_index(self, index: int) -> Worker:
        return self._workers[index]

    def wait(self, seconds: float) -> list[Worker]:
        """The workers that have something to say, or have died; empty after `seconds`."""
        by_connection: dict[Connection, Worker] = {worker.connection: worker for worker in self._workers}
        return [by_connection[found] for found in wait(list(by_connection), seconds)]  # type: ignore[index]

    def renew(self, worker: Worker) -> None:
        """Replace an idle worker that has grown, without waiting: it goes on until its successor has loaded."""
        successor = self._successors.get(worker.index)
        if successor is None:
            self._successors[worker.index] = Worker(worker.index, self._settings)
            return
        try:
            loaded = successor.has_loaded()
        except WorkerDied:
            del self._successors[worker.index]  # the next trial's end tries again
            return
        if loaded:
            self._workers[worker.index] = self._successors.pop(worker.index)
            worker.close()

    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def close(self) -> None:
        for worker in [*self._workers, *self._successors.values()]:
            worker.close()


def threads_per_worker(count: int) -> int:
    """The machine's cores shared out among `count` workers."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // max(1, count))


def ask_one(worker: Worker, message: object) -> object:
    """Send `message` to a worker and wait for its answer.

    Raises:
        TruetuneError: what the worker refused with.
        WorkerDied: it ended.
    """
    while not worker.ready:
        ready = worker.receive()
        if isinstance(ready, protocol.Refused):
            raise_refusal(ready)
        worker.ready = True
    worker.send(message)
    answer = worker.receive()
    worker.busy = False
    if isinstance(answer, protocol.Refused):
        raise_refusal(answer)
    return answer


def raise_refusal(refused: protocol.Refused) -> None:
    """Raise what a worker refused with; a defect of ours comes with the worker's traceback."""
    if isinstance(refused.error, TruetuneError):
        raise refused.error
    raise RuntimeError(f"{refused.error}\n\nIn the worker:\n{refused.traceback}")


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep `spawn` from running the user's script a second time in the child.

    The task travels by value, so the child needs nothing of `__main__`; without this, a script that calls
    `truetune.tune` outside `if __name__ == "__main__"` would start itself again and again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (the kernel does that when memory runs out)" if name == "SIGKILL" else ""
        return f"the worker was ended by {name}{hint}"
    return f"the worker ended with exit code {code}"
