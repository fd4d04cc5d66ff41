"""The database behind the record: opened, prepared, and waited for while it is away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from truetune.errors import StorageError, StorageUnavailable, StudyError
from truetune.storage.url import invalid, masked, parse_url, without_password

Result = TypeVar("Result")

LOCK_SECONDS = 120
"""How long SQLite itself waits for another process's transaction."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0

RACES = 10


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage at `url`; SQLite in WAL mode, which neither blocks readers nor loses a commit on SIGKILL.

    Raises:
        StudyError: the file is no database, or a damaged one; the URL is none, or its driver is missing.
        StorageError: its folder cannot be written, or the server does not answer.
    """
    parse_url(url)
    with storage_errors(url):
        if not url.startswith("sqlite"):
            return _with_tables(url, pool_pre_ping=True)
        _prepare_sqlite(url)
        storage = _with_tables(url, connect_args={"timeout": LOCK_SECONDS})
        sqlalchemy.event.listen(storage.engine, "connect", _relax_synchronous)
        storage.engine.dispose()
        return storage


def _with_tables(url: str, **engine: Any) -> RDBStorage:
    """Optuna's storage, which makes its tables unless they are there.

    When several processes open a new database at the same moment (an array job), each but one finds that a table it
    is about to make exists already; at the next try it finds them all.
    """
    for _ in range(RACES):
        try:
            return RDBStorage(url, engine_kwargs=engine)
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            text = str(error.__cause__ or error)
            if not any(sign in text for sign in ("already exists", "duplicate key", "UNIQUE constraint")):
                raise
            time.sleep(random.uniform(0.05, 0.5))
    return RDBStorage(url, engine_kwargs=engine)


def _prepare_sqlite(url: str) -> None:
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": LOCK_SECONDS})
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if found != "ok":
            raise StudyError(_damaged(url, str(found)))
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    engine.dispose()


def _relax_synchronous(connection: Any, record: object) -> None:
    """NORMAL is safe in WAL mode (a power cut may lose the last commits, never the file)."""
    connection.execute("PRAGMA synchronous=NORMAL")


def _damaged(url: str, why: str) -> str:
    return (
        f"The study database {without_password(url)} is damaged ({why}). Expected an SQLite file written by Optuna. "
        "Restore it from a backup, or move it away and start over."
    )


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Database errors as errors with a remedy, without the password."""
    try:
        yield
    except sqlalchemy.exc.ArgumentError:
        raise invalid(url) from None
    except ImportError as error:
        raise StudyError(
            f"The storage {without_password(url)} needs a driver that is not installed ({error.__cause__ or error}). "
            'For PostgreSQL: pip install "truetune[postgres]". Or use sqlite:///….'
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise _explained(url, error) from error


NONSENSE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError)
"""What SQLAlchemy, Optuna and json raise for rows that nobody can have written: an unknown state, half a date."""


@contextmanager
def reading(url: str) -> Iterator[None]:
    """As `storage_errors`; rows that make no sense are damage too. Raises StudyError."""
    with storage_errors(url):
        try:
            yield
        except NONSENSE as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StudyError(_damaged(url, why)) from error


def _explained(url: str, error: Exception) -> StudyError | StorageError:
    shown = without_password(url)
    text = masked(str(error.__cause__ or error).splitlines()[0], url)
    if "readonly" in text or "unable to open" in text:
        return StorageError(
            f"{shown} cannot be written ({text}). Make its folder writable, or choose another with --storage or "
            "--directory. Nothing was lost."
        )
    if "is full" in text or "disk I/O" in text:
        return StorageUnavailable(f"{shown} cannot be written ({text}). Free some disk space. Nothing was lost.")
    if "not a database" in text or "malformed" in text:
        return StudyError(_damaged(url, text))
    if "is locked" in text:
        return StorageUnavailable(f"{shown} is locked by another process ({text}). Nothing was lost.")
    if not url.startswith("sqlite") and _is_outage(error):
        return StorageUnavailable(f"The database {shown} does not respond ({text}). Check that the server is running.")
    return StudyError(f"{shown} cannot be used ({text}). Check that it is an Optuna database of this version.")


def _is_outage(error: Exception) -> bool:
    """A server that went away or comes up, rather than a statement that is wrong."""
    cause = error if isinstance(error, sqlalchemy.exc.SQLAlchemyError) else error.__cause__
    return isinstance(cause, (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)) or bool(
        getattr(cause, "connection_invalidated", False)
    )


@dataclass
class Patience:
    """Waits while the record cannot be written, and tries again: a server that restarts, a disk that is full.

    Args:
        note: called when waiting begins and when it ends.
        limit_seconds: after so long the error is raised.
        is_waiting: whether an action is tried again now; its first try may have been done all the same.
    """

    note: Callable[[str], None]
    limit_seconds: float = 3600.0
    is_waiting: bool = field(default=False, init=False)

    def run(self, action: Callable[[], Result]) -> Result:
        """What `action` returns; it must be safe to run again when it failed halfway."""
        try:
            return action()
        except StorageUnavailable as error:
            return self._again(action, error)

    def _again(self, action: Callable[[], Result], error: StorageUnavailable) -> Result:
        self.note(f"{error} The search is waiting and will continue on its own; press Ctrl-C to stop it.")
        self.is_waiting = True
        try:
            return self._wait(action, error)
        finally:
            self.is_waiting = False

    def _wait(self, action: Callable[[], Result], error: StorageUnavailable) -> Result:
        began, pause = time.monotonic(), SHORTEST_PAUSE
        while time.monotonic() - began < self.limit_seconds:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                result = action()
            except StorageUnavailable as latest:
                error = latest
            else:
                self.note(
                    f"The database is available again after {time.monotonic() - began:.0f} s; the search continues."
                )
                return result
        raise error
