"""Who trains what: the process that owns a running trial, and whether it is still alive."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Owner:
    """One supervisor process.

    Attributes:
        token: unique, and short enough for a folder's name.
        machine: host, boot and process namespace, so that equal process numbers mean the same process.
        pid: its process number there.
        started: distinguishes it from a later process with the same number.
    """

    token: str
    machine: str
    pid: int
    started: str

    @classmethod
    def myself(cls) -> Owner:
        """A new owner: this process, at this run."""
        pid = os.getpid()
        return cls(f"{pid}-{secrets.token_hex(4)}", _machine(), pid, start_mark(pid))

    def runs_here(self) -> bool | None:
        """Whether the process is alive; None if it runs on another machine."""
        if self.machine != _machine():
            return None
        return start_mark(self.pid) == self.started

    def to_config(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def host(self) -> str:
        return self.machine.split("/", 1)[0]


def start_mark(pid: int) -> str:
    """Distinguishes a process from a later one with the same number; "" if it does not exist.

    On Linux the clock ticks between boot and its start, since psutil's time of creation moves with the system clock.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():
            fields = stat.read_text().rpartition(")")[2].split()
            return "" if fields[0] == "Z" else fields[19]
        return str(psutil.Process(pid).create_time())
    except (OSError, psutil.Error):
        return ""


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    parts = [socket.gethostname()]
    parts.append(boot.read_text().strip() if boot.exists() else "")
    parts.append(os.readlink(namespace) if namespace.exists() else "")
    return "/".join(parts)


@dataclass
class Leases:
    """Judges which owners are dead.

    A process of this machine is looked up. Of any other all that is known is its beat, a number that it keeps raising
    in the record: it is dead when that has stood still for `seconds` on *our* monotonic clock. So clocks that differ
    between machines, or jump, take no trial from anybody. A process that is stopped, or a laptop asleep, raises no
    beat either, and loses its trials.

    Args:
        me: never dead.
        seconds: how long a beat may stand still.
    """

    me: Owner
    seconds: float
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def dead(self, owners: Mapping[str, tuple[Owner, int]]) -> set[str]:
        """Tokens of the dead among `owners`, each with its latest beat."""
        now = time.monotonic()
        return {token for token, (owner, beat) in owners.items() if self._is_dead(owner, beat, now)}

    def _is_dead(self, owner: Owner, beat: int, now: float) -> bool:
        if owner.token == self.me.token:
            return False
        last, since = self._seen.get(owner.token, (None, now))
        if last != beat:
            self._seen[owner.token] = (beat, now)
            since = now
        return owner.runs_here() is False or now - since > self.seconds

    def has_stirred(self, token: str) -> bool:
        """Whether its beat was seen for the first time, or changed, at the latest look."""
        return token in self._seen
