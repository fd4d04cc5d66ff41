"""Lets one process at a time write a small shared file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from truetune.errors import StudyError
from truetune.system.files import storage_error

SECONDS = 60.0
"""Timeout; work under these locks takes only moments."""


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the lock file `lock`, created with its folder; the system releases it when the process dies.

    Raises:
        StudyError: another process has held it for a minute.
        StorageError: it cannot be created.
    """
    held = filelock.FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=SECONDS)
    except filelock.Timeout:
        raise StudyError(
            f"Another process has held {lock} for {SECONDS:.0f} s. Expected it to be free within moments; stop that "
            "process, or wait for it."
        ) from None
    except OSError as error:
        raise storage_error(lock, error) from error
    try:
        yield
    finally:
        held.release()
