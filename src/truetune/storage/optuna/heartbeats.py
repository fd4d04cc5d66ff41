"""Who works on a study: a row for each process, which it keeps writing anew."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import delete, insert, select, update

from truetune.storage.base import Heartbeats
from truetune.storage.database import reading, storage_errors
from truetune.storage.leases import Owner
from truetune.storage.optuna.connection import StudyPart

_System = models.StudySystemAttributeModel.__table__

_LEASE = "truetune:owner:"


class OptunaHeartbeats(StudyPart, Heartbeats):
    """Beats are written without patience: the next one comes in any case."""

    @property
    def owner(self) -> Owner:
        return self._connection.owner

    def beat(self, count: int) -> None:
        with storage_errors(self._connection.url):
            self._write({**self.owner.to_config(), "beat": count})

    def _write(self, content: Mapping[str, Any]) -> None:
        study, key, text = self._connection.study_id, _LEASE + self.owner.token, json.dumps(dict(content))
        with self._connection.transaction() as connection:
            mine = (_System.c.study_id == study) & (_System.c.key == key)
            if connection.execute(update(_System).where(mine).values(value_json=text)).rowcount == 0:
                connection.execute(insert(_System).values({"study_id": study, "key": key, "value_json": text}))

    def owners(self) -> dict[str, tuple[Owner, int]]:
        contents = self._connection.read(self._contents)
        with reading(self._connection.url):
            beats = {token: int(content.pop("beat")) for token, content in contents.items()}
            return {token: (Owner(**content), beats[token]) for token, content in contents.items()}

    def _contents(self) -> dict[str, dict[str, Any]]:
        """What each owner last wrote, by token."""
        wanted = (_System.c.study_id == self._connection.study_id) & _System.c.key.startswith(_LEASE, autoescape=True)
        with self._connection.transaction() as connection:
            found = connection.execute(select(_System.c.key, _System.c.value_json).where(wanted))
            return {key.removeprefix(_LEASE): json.loads(value) for key, value in found}

    def forget(self, tokens: Iterable[str]) -> None:
        gone = list(tokens)
        self._connection.do(lambda: self._forget(gone))

    def leave(self) -> None:
        with storage_errors(self._connection.url):
            self._forget([self.owner.token])

    def _forget(self, tokens: Iterable[str]) -> None:
        with self._connection.transaction() as connection:
            for token in tokens:
                gone = (_System.c.study_id == self._connection.study_id) & (_System.c.key == _LEASE + token)
                connection.execute(delete(_System).where(gone))
