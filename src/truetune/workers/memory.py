"""The memory of one worker: measured while it works, and whether memory caused its death."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from truetune.system import machine
from truetune.system.sizes import show_size
from truetune.training.out_of_memory import says_out_of_memory
from truetune.trial import ERROR, KILLED, OUT_OF_MEMORY

SAMPLE_SECONDS = 0.2
"""Between two looks at a worker. A process touches new memory at 1 to 2 GiB a second."""

CHILDREN_SECONDS = 1.0
"""Between two looks for processes that a worker has started: finding them costs a look at every process there is."""

NEARLY_ALL = 0.8
"""Of all memory there is: a worker that had so much was ended by the kernel, even if no counter shows it."""

LOG_TAIL = 4096

FROM_OUTSIDE = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT")


@dataclass(frozen=True)
class Death:
    """How a worker ended: in words, and as one of `trial.CAUSES`."""

    reason: str
    cause: str


class MemoryWatch:
    """Looks at one process and those it started.

    Args:
        pid: of the process.
        limit: bytes it may have; None only measures.
        log: what it prints is appended there.

    Attributes:
        used: bytes at the last look.
        exceeded: bytes at the look that found it past its limit; None as long as none did.
    """

    def __init__(self, pid: int, limit: int | None, log: Path) -> None:
        self.limit = limit
        self.used = 0
        self.exceeded: int | None = None
        self._processes = [psutil.Process(pid)]
        self._log, self._log_start = log, _size(log)
        self._kernel_kills = machine.kernel_kills()
        self._looked_for_children = time.monotonic()

    def look(self) -> bool:
        """Measure; whether the process is past its limit."""
        self._find_children()
        self.used = sum(private_bytes(process) for process in self._processes)
        if self.limit is not None and self.used > self.limit:
            self.exceeded = self.used
        return self.exceeded is not None

    def _find_children(self) -> None:
        now = time.monotonic()
        if now - self._looked_for_children < CHILDREN_SECONDS:
            return
        self._looked_for_children = now
        try:
            self._processes[1:] = self._processes[0].children(recursive=True)
        except psutil.Error:
            del self._processes[1:]

    def death(self, code: int | None) -> Death:
        """What the end with exit code `code` (negative: a signal) was due to."""
        if self.exceeded is not None:
            return Death(
                f"out of memory: {show_size(self.exceeded)} of {show_size(self.limit or 0)} allowed", OUT_OF_MEMORY
            )
        if code is None or code >= 0:
            return Death(f"the worker ended with exit code {code}", ERROR)
        name = signal.Signals(-code).name
        if name == "SIGKILL" and self._kernel_did_it():
            return Death(f"out of memory: the kernel ended the worker, which had {show_size(self.used)}", OUT_OF_MEMORY)
        if name == "SIGABRT" and says_out_of_memory(self._last_words()):
            return Death(
                f"out of memory: an allocation failed in the worker, which had {show_size(self.used)}", OUT_OF_MEMORY
            )
        if name in FROM_OUTSIDE:
            return Death(f"the worker was ended by {name} from outside", KILLED)
        return Death(f"the worker was ended by {name}", ERROR)

    def _kernel_did_it(self) -> bool:
        return machine.kernel_kills() > self._kernel_kills or self.used > NEARLY_ALL * machine.memory().total

    def _last_words(self) -> str:
        """The end of what the process printed since it was started."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(max(self._log_start, _size(self._log) - LOG_TAIL))
            return log.read().decode("utf-8", "replace")


def private_bytes(process: psutil.Process) -> int:
    """Resident bytes without the pages of files, if the system distinguishes them (Linux).

    Those are the shared training data and the libraries: all workers have the same pages, and the kernel gives them
    back when memory is short. 0 for a process that has ended.
    """
    try:
        resident = int(process.memory_info().rss)
        for line in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("RssFile:"):
                return max(0, resident - int(line.split()[1]) * 1024)
    except FileNotFoundError:
        return resident
    except (psutil.Error, OSError):
        return 0
    return resident


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
