"""Worker processes: started with `spawn`, kept warm between trials, replaced when they die or grow."""

from __future__ import annotations

import multiprocessing
import sys
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait

from truetune.errors import SearchStopped, TruetuneError
from truetune.system.machine import cores
from truetune.training import messages
from truetune.training.worker import WorkerSettings
from truetune.training.worker import main as worker_main
from truetune.trial import KILLED
from truetune.workers.memory import SAMPLE_SECONDS, Death, MemoryWatch

GROWTH_LIMIT = 100 * 2**20
"""Bytes a worker may grow beyond its size after the first trial. TensorFlow leaks 5 to 12 MiB a trial, which neither
`clear_session` nor the garbage collector gives back."""

CLOSE_SECONDS = 5.0

STARTS = 3
"""How often a worker may die before it is of any use."""

LEAST_FREE_SHARE = 0.75
"""Of what a worker may have beyond its size when it had just loaded: with less than that it is replaced at once, so
that the next trial does not run out of memory for what earlier ones left behind."""


class WorkerDied(Exception):
    """The process ended without an answer."""

    def __init__(self, death: Death) -> None:
        super().__init__(death.reason)
        self.reason = death.reason
        self.death = death


class Worker:
    """One process and the pipe to it.

    Attributes:
        index: 0, 1, …; a replacement keeps its predecessor's.
        ready: it has loaded everything.
        busy: it works on something.
        memory: looks at what it uses.
    """

    def __init__(self, index: int, settings: WorkerSettings, memory_limit: int | None = None) -> None:
        self.index = index
        self.ready = False
        self.busy = True  # loading
        self._memory_limit = memory_limit
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
        assert self._process.pid is not None
        self.memory = MemoryWatch(self._process.pid, self._memory_limit, self._settings.log)
        self._loaded_memory: int | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def send(self, message: object) -> None:
        self.busy = True
        try:
            self.connection.send(message)
        except (BrokenPipeError, ConnectionError):
            return  # the next `receive` reports how it died

    def receive(self) -> object:
        """The next message. Raises WorkerDied when there will be none."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            self._process.join(CLOSE_SECONDS)
            raise WorkerDied(self.memory.death(self._process.exitcode)) from None

    def watch(self) -> None:
        """Measure its memory and end it above the limit. The next `receive` reports it."""
        if self.memory.exceeded is None and self.memory.look():
            self._process.kill()
        if self.ready and self._loaded_memory is None:
            self._loaded_memory = self.memory.used

    def has_grown(self, memory: int) -> bool:
        """Whether it should be replaced, given `memory` (resident bytes after a trial)."""
        if self._first_memory is None:
            self._first_memory = memory
        return memory > self._first_memory + GROWTH_LIMIT

    def is_nearly_full(self) -> bool:
        """Whether earlier trials left so much behind that the next one may not find the memory it is allowed."""
        if self._memory_limit is None or self._loaded_memory is None:
            return False
        self.memory.look()
        allowed = self._memory_limit - self._loaded_memory
        return self._memory_limit - self.memory.used < LEAST_FREE_SHARE * allowed

    def has_loaded(self) -> bool:
        """Whether it has become ready since it was started; does not wait. Raises WorkerDied."""
        if not self.ready and self.connection.poll():
            self.ready = isinstance(self.receive(), messages.Ready)
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
    """A fixed number of workers, and the successors of those that have grown.

    Args:
        count: how many.
        settings: of each.
        memory_limit: bytes that each may have; None for no limit.
        gpus: worker i sees gpus[i] alone; empty leaves all GPUs to all.
    """

    def __init__(
        self, count: int, settings: WorkerSettings, memory_limit: int | None = None, gpus: Sequence[str] = ()
    ) -> None:
        self._settings, self._memory_limit, self._gpus = settings, memory_limit, tuple(gpus)
        self._workers = [self._new(index) for index in range(count)]
        self._successors: dict[int, Worker] = {}
        self._looked = 0.0

    def _new(self, index: int) -> Worker:
        gpu = self._gpus[index % len(self._gpus)] if self._gpus else None
        return Worker(index, replace(self._settings, gpu=gpu), self._memory_limit)

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    def idle(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.ready and not worker.busy]

    def by_index(self, index: int) -> Worker:
        return self._workers[index]

    def wait(self, seconds: float) -> list[Worker]:
        """The workers that have sent a message or died; empty after `seconds`."""
        by_connection: dict[Connection, Worker] = {worker.connection: worker for worker in self._workers}
        deadline = time.monotonic() + seconds
        while True:
            self._watch()
            left = max(0.0, deadline - time.monotonic())
            found = wait(list(by_connection), min(left, SAMPLE_SECONDS))
            if found or left == 0.0:
                return [by_connection[connection] for connection in found]  # type: ignore[index]

    def _watch(self) -> None:
        now = time.monotonic()
        if now - self._looked < SAMPLE_SECONDS:
            return
        self._looked = now
        for worker in [*self._workers, *self._successors.values()]:
            worker.watch()

    def renew(self, worker: Worker) -> None:
        """Replace an idle worker that has grown, without waiting: it goes on until its successor has loaded.

        One that is nearly full is replaced at once.
        """
        if worker.is_nearly_full():
            worker.restart()
            return
        successor = self._successors.get(worker.index)
        if successor is None:
            self._successors[worker.index] = self._new(worker.index)
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
    return max(1, cores() // max(1, count))


def ask_one(worker: Worker, message: object) -> object:
    """Send `message` to a worker and wait for its answer; one that is killed from outside meanwhile is replaced.

    Raises:
        TruetuneError: what the worker refused with.
        SearchStopped: it ended.
    """
    deaths = 0
    while True:
        try:
            return _answer_of(worker, message)
        except WorkerDied as death:
            deaths += 1
            if death.death.cause != KILLED or deaths == STARTS:
                raise SearchStopped(
                    f"The worker that inspects the default model ended: {death.reason}. See worker-0.log in the "
                    "study's folder."
                ) from None
            worker.restart()


def _answer_of(worker: Worker, message: object) -> object:
    while not worker.ready:
        ready = worker.receive()
        if isinstance(ready, messages.Refused):
            raise_refusal(ready)
        worker.ready = True
    worker.send(message)
    answer = worker.receive()
    worker.busy = False
    if isinstance(answer, messages.Refused):
        raise_refusal(answer)
    return answer


def raise_refusal(refused: messages.Refused) -> None:
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
