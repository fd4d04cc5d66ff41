"""What this machine, or the control group this process is in, has: memory, cores, the kernel's kills.

Control groups (containers, SLURM jobs, systemd slices) limit memory below what the machine has; psutil knows the
machine only. Version 2: https://docs.kernel.org/admin-guide/cgroup-v2.html, version 1:
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from truetune.system.sizes import GIB, MIB

MEMBERSHIP = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")

LEAST_MARGIN = 512 * MIB
LEAST_WORKER = GIB
"""TensorFlow and Keras alone take about half of it."""

AUTO_WORKER = GIB * 3 // 2
"""What `--workers auto` counts for one worker: TensorFlow, the data and a model of ordinary size."""


@dataclass(frozen=True)
class Memory:
    """In bytes: all that this process and its workers could have, and what is free of it."""

    total: int
    available: int


def memory() -> Memory:
    """Of the machine, or of the control group where that has less."""
    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    for group in _groups():
        limit = _limit(group)
        if limit is not None and limit < total:
            total = min(total, limit)
            available = min(available, max(0, limit - _used(group)))
    return Memory(total, available)


def default_worker_memory(workers: int) -> int:
    """Bytes for each of `workers`: an equal share of what is free, less a margin of 10 % (at least 512 MiB)."""
    free = memory().available
    margin = max(free // 10, LEAST_MARGIN)
    return max((free - margin) // max(1, workers), LEAST_WORKER)


def automatic_workers(gpus: int = 0) -> int:
    """As many as there are cores, memory and (where `gpus` are given) GPUs for; at least one."""
    counts = [cores(), memory().available // AUTO_WORKER]
    return max(1, min([*counts, gpus] if gpus else counts))


def cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kernel_kills() -> int:
    """How many processes of this control group the kernel has ended because memory ran out; 0 if unknown."""
    return max((_kills(group) for group in _groups()), default=0)


def _groups() -> Iterator[Path]:
    """The memory control groups this process is in, its own first and then those around it.

    Inside a container the path in /proc may be that of the host; the mount itself is then the container's own group.
    """
    for line in _text(MEMBERSHIP).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        root = MOUNT / "memory" if controllers else MOUNT
        own = root / path.lstrip("/")
        inner = [own, *own.parents]
        for group in inner[: inner.index(root) + 1] if root in inner else [root]:
            if (group / "memory.stat").exists():
                yield group


def _limit(group: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _text(group / name).strip()
        if text.isdigit():
            return int(text)
    return None


def _used(group: Path) -> int:
    """Without the pages of files that the kernel gives back when memory is short."""
    for name in ("memory.current", "memory.usage_in_bytes"):
        text = _text(group / name).strip()
        if text.isdigit():
            stat = _counters(group / "memory.stat")
            return int(text) - stat.get("total_inactive_file", stat.get("inactive_file", 0))
    return 0


def _kills(group: Path) -> int:
    for name in ("memory.events", "memory.oom_control"):
        counters = _counters(group / name)
        if "oom_kill" in counters:
            return counters["oom_kill"]
    return 0


def _counters(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _text(path: Path) -> str:
    """Empty where there is no such file: not every kernel has each of them, and other systems have none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
