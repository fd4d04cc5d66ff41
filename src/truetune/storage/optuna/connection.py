"""One study in a database that Optuna can read: how its parts reach their rows, and what is raised on damage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from sqlalchemy import Connection, update

from truetune.errors import StudyError
from truetune.storage.database import Patience, reading, storage_errors
from truetune.storage.leases import Owner
from truetune.storage.url import without_password
from truetune.system.checked_json import DamagedJson, parse_checked
from truetune.system.checksum import with_checksum

Result = TypeVar("Result")

_Studies = models.StudyModel.__table__


@dataclass(frozen=True)
class StudyConnection:
    """What the parts of a store share.

    Attributes:
        url: of the database.
        name: of the study.
        storage: Optuna's.
        study_id: its key of the study.
        owner: this process.
        patience: how long to wait while the record cannot be written; None raises at once.
    """

    url: str
    name: str
    storage: RDBStorage
    study_id: int
    owner: Owner
    patience: Patience | None = None

    def do(self, action: Callable[[], Result]) -> Result:
        """Run `action` with database errors explained, and again when what stopped it may pass."""

        def explained() -> Result:
            with storage_errors(self.url):
                return action()

        return explained() if self.patience is None else self.patience.run(explained)

    def read(self, action: Callable[[], Result]) -> Result:
        """As `do`; raises StudyError for rows that make no sense."""
        with reading(self.url):
            return self.do(action)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self.storage.engine.begin() as connection:
            yield connection

    @contextmanager
    def study_locked(self) -> Iterator[Connection]:
        """A transaction that is alone with the study.

        It begins with a write that changes nothing: that takes the row's lock in PostgreSQL and the file's in SQLite.
        """
        with self.transaction() as connection:
            mine = _Studies.c.study_id == self.study_id
            connection.execute(update(_Studies).where(mine).values(study_name=_Studies.c.study_name))
            yield connection

    # Attributes of the study: JSON with a checksum

    def attributes(self) -> dict[str, Any]:
        return self.read(lambda: self.storage.get_study_user_attrs(self.study_id))

    def set_attribute(self, key: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(with_checksum(content))
        self.do(lambda: self.storage.set_study_user_attr(self.study_id, key, text))

    def verified(self, text: str, what: str) -> dict[str, Any]:
        """The content of an attribute. Raises StudyError when it is not what was written."""
        try:
            return parse_checked(text)
        except DamagedJson:
            raise self.damaged(what) from None

    def damaged(self, what: str) -> StudyError:
        return StudyError(
            f"The record of study '{self.name}' in {without_password(self.url)} is damaged: the checksum of {what} "
            "does not match. Restore the database from a backup, or start over with --fresh."
        )


class StudyPart:
    """What keeps one kind of things in a study; a store is all of them over one connection."""

    def __init__(self, connection: StudyConnection) -> None:
        self._connection = connection
