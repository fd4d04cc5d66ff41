"""Opening the record: one Optuna study holds the trials of every method. Only supervisors write it."""

from __future__ import annotations

import datetime
import warnings

import optuna
from optuna.storages import RDBStorage

from truetune.storage.base import Store
from truetune.storage.database import Patience, open_storage, reading, storage_errors
from truetune.storage.leases import Owner
from truetune.storage.optuna.connection import StudyConnection
from truetune.storage.optuna.heartbeats import OptunaHeartbeats
from truetune.storage.optuna.metadata import OptunaMetadata
from truetune.storage.optuna.reevaluations import OptunaReevaluations
from truetune.storage.optuna.trials import OptunaTrials


class OptunaStore(OptunaMetadata, OptunaTrials, OptunaReevaluations, OptunaHeartbeats, Store):
    """A study in a database that Optuna can read; `create_store` and `open_store` make one.

    Each of its parents keeps what the study holds of one kind, and none overrides another.
    """

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def name(self) -> str:
        return self._connection.name

    def archive(self) -> str:
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
        kept, storage = f"{self.name}_archived_{stamp}", self._connection.storage
        with storage_errors(self.url):
            optuna.copy_study(from_study_name=self.name, from_storage=storage, to_storage=storage, to_study_name=kept)
        self.discard()
        return kept

    def discard(self) -> None:
        with storage_errors(self.url):
            optuna.delete_study(study_name=self.name, storage=self._connection.storage)

    def close(self) -> None:
        close(self._connection.storage)


def create_store(
    url: str,
    name: str,
    direction: str,
    objective: str,
    owner: Owner | None = None,
    patience: Patience | None = None,
) -> Store:
    """The study `name`; it is made where there is none.

    Args:
        url: where the database is; it is made too, where it is a file.
        name: of the study.
        direction: "min" or "max".
        objective: its name, shown by Optuna's plots.
        owner: this process; None makes one.
        patience: how long to wait while the record cannot be written; None raises at once.

    Raises:
        StudyError: it is no database, or a damaged one.
        StorageError: the database cannot be reached or written.
    """
    storage = _opened(url)
    with storage_errors(url):
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            direction="maximize" if direction == "max" else "minimize",
            load_if_exists=True,
        )
        with warnings.catch_warnings():  # experimental in Optuna; only the labels of its plots depend on it
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([objective])
    return OptunaStore(_connection(url, name, storage, owner, patience))


def open_store(url: str, name: str) -> Store:
    """The study as it is.

    Raises:
        KeyError: there is none of that name.
        StudyError, StorageError: as `create_store`.
    """
    storage = _opened(url)
    if name not in _names(url, storage):
        close(storage)
        raise KeyError(name)
    return OptunaStore(_connection(url, name, storage))


def _opened(url: str) -> RDBStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return open_storage(url)


def _connection(
    url: str, name: str, storage: RDBStorage, owner: Owner | None = None, patience: Patience | None = None
) -> StudyConnection:
    with reading(url):
        study_id = storage.get_study_id_from_name(name)
    return StudyConnection(url, name, storage, study_id, owner or Owner.myself(), patience)


def study_exists(url: str, name: str) -> bool:
    return name in study_names(url)


def study_names(url: str) -> list[str]:
    """Of all studies in the database, in order."""
    storage = open_storage(url)
    try:
        return _names(url, storage)
    finally:
        close(storage)


def _names(url: str, storage: RDBStorage) -> list[str]:
    with reading(url):
        return sorted(study.study_name for study in storage.get_all_studies())


def close(storage: RDBStorage) -> None:
    """Let go of the database."""
    storage.remove_session()
    storage.engine.dispose()
