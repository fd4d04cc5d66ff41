"""Checks whether this machine meets truetune's requirements."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from truetune.system.machine import cores, memory
from truetune.system.sizes import GIB, show_size

LEAST_DISK = 2**30


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    what: str
    found: str
    ok: bool = True
    remedy: str = ""


def diagnose() -> list[Finding]:
    """Check Python, libraries, memory, disk, the database, devices, and a worker process."""
    checks: tuple[Callable[[], Finding], ...] = (_python, _libraries, _cores, _disk, _database, _tensorflow, _worker)
    return [_run(check) for check in checks]


def _run(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # whatever is wrong with the machine is the result of the check
        name = check.__name__.strip("_")
        return Finding(name, f"{type(error).__name__}: {error}", False, "Reinstall truetune in a new environment.")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", version, sys.version_info >= (3, 11), "Install Python 3.11 or newer.")


def _libraries() -> Finding:
    from truetune.system.versions import versions

    return Finding("libraries", ", ".join(f"{name} {version}" for name, version in versions().items()))


def _cores() -> Finding:
    free = memory().available
    return Finding("cores and free memory", f"{cores()} cores, {show_size(free)}", free > 2 * GIB, "Free some memory.")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    return Finding("free disk space", f"{free / 2**30:.1f} GiB", free > LEAST_DISK, "Free some disk space.")


def _database() -> Finding:
    from truetune.storage.database import open_storage, sqlite_url

    with tempfile.TemporaryDirectory() as folder:
        open_storage(sqlite_url(Path(folder) / "optuna.db")).engine.dispose()
    return Finding("SQLite study database", "can be created and written")


def _tensorflow() -> Finding:
    from truetune.training.tensorflow_start import devices

    return Finding("TensorFlow devices", ", ".join(devices()))


def _worker() -> Finding:
    """The smallest real search: one trial of one epoch in a worker process."""
    from truetune.inspection.doctor_search import search_once

    score = search_once()
    return Finding("one trial in a worker process", f"score {score:.2f}")
