"""One process at a time where several write the same small file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from truetune.errors import StudyError
from truetune.system.files import storage_error

SECONDS = 60.0
"""What is done under these locks takes moments."""


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the lock file `lock`, made with its folder; the system drops it when the process dies.

    Raises:
        StudyError: another process has held it for a minute.
        StorageError: it cannot be made.
    """
    held = filelock.FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=SECONDS)
    except filelock.Timeout:
        raise StudyError(f"Another process has held {lock} for {SECONDS:.0f} s. Stop it, or wait for it.") from None
    except OSError as error:
        raise storage_error(lock, error) from error
    try:
        yield
    finally:
        held.release()
