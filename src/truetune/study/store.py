"""The record: one Optuna study holds the trials of every method. Only the supervisor writes it.

A trial is written when its model is built (state RUNNING, all values), after every epoch, and when it ends; the last
write sets the state, so that a trial whose supervisor was killed is found RUNNING and is trained again.
"""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from truetune.errors import StorageError, StudyError
from truetune.search.distributions import natural_distribution
from truetune.space import Hyperparameter, Space, Value
from truetune.trial import Schedule, Trial, TrialState

STATES = {
    TrialState.RUNNING: OptunaState.RUNNING,
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}
_FROM_OPTUNA = {theirs: ours for ours, theirs in STATES.items()}

_META = "truetune"
_FIELDS = ("seed", "epochs", "best_epoch", "seconds", "parameters", "reason", "attempt", "cause")


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage at `url`; SQLite in WAL mode, which neither blocks readers nor loses a commit on SIGKILL.

    Raises:
        StudyError: the file is no database, or a damaged one; the URL is none, or its driver is missing.
        StorageError: its folder cannot be written.
    """
    with storage_errors(url):
        if not url.startswith("sqlite"):
            return RDBStorage(url)
        _prepare_sqlite(url)
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 120}})
        sqlalchemy.event.listen(storage.engine, "connect", _relax_synchronous)
        storage.engine.dispose()
        return storage


def _prepare_sqlite(url: str) -> None:
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": 120})
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise StudyError(_damaged(url, str(found)))
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    engine.dispose()


def _relax_synchronous(connection: Any, record: object) -> None:
    """NORMAL is safe in WAL mode (a power cut may lose the last commits, never the file)."""
    connection.execute("PRAGMA synchronous=NORMAL")


def _damaged(url: str, why: str) -> str:
    return (
        f"The study database {_without_password(url)} is damaged ({why}). Expected an SQLite file written by Optuna. "
        "Restore it from a backup, or move it away and start anew."
    )


def _without_password(url: str) -> str:
    return sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Database errors as errors that say what to do."""
    try:
        yield
    except sqlalchemy.exc.ArgumentError as error:
        raise StudyError(f"The storage URL is not valid ({error}). Expected e.g. sqlite:///models/optuna.db.") from None
    except ImportError as error:
        raise StudyError(
            f"The storage {_without_password(url)} needs a driver that is not installed ({error.__cause__ or error}). "
            "Install it, or use sqlite:///…."
        ) from error
    except (sqlalchemy.exc.DatabaseError, optuna.exceptions.StorageInternalError) as error:
        raise _explained(url, str(error.__cause__ or error).splitlines()[0]) from error


def _explained(url: str, text: str) -> StudyError | StorageError:
    shown = _without_password(url)
    if "readonly" in text or "unable to open" in text:
        return StorageError(
            f"{shown} cannot be written ({text}). Make its folder writable, or choose another with --storage or "
            "--directory. Nothing was lost."
        )
    if "full" in text or "disk I/O" in text:
        return StorageError(f"{shown} cannot be written ({text}). Free some disk space and run the same command again.")
    if "not a database" in text or "malformed" in text:
        return StudyError(_damaged(url, text))
    return StudyError(f"{shown} cannot be used ({text}). Check that it is an Optuna database of this version.")


class Store:
    """The trials of one study.

    Args:
        url: where the database is.
        name: of the study.
        direction: "min" or "max".
        objective: its name, shown by Optuna's plots.
    """

    def __init__(self, url: str, name: str, direction: str, objective: str) -> None:
        self._attach(url, name)
        with storage_errors(url):
            study = optuna.create_study(
                study_name=name,
                storage=self._storage,
                direction="maximize" if direction == "max" else "minimize",
                load_if_exists=True,
            )
            with warnings.catch_warnings():  # experimental in Optuna; only the labels of its plots depend on it
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([objective])
        self._open(study)

    @classmethod
    def open_existing(cls, url: str, name: str) -> Store:
        """The study as it is; a `KeyError` where there is none."""
        store = cls.__new__(cls)
        store._attach(url, name)
        with storage_errors(url):
            store._open(optuna.load_study(study_name=name, storage=store._storage))
        return store

    def _attach(self, url: str, name: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.url, self.name = url, name
        self._storage = open_storage(url)

    def _open(self, study: optuna.Study) -> None:
        self._study = study
        with storage_errors(self.url):
            self._study_id = self._storage.get_study_id_from_name(self.name)
            self._ids = {t.number: t._trial_id for t in study.get_trials(deepcopy=False)}

    @property
    def meta(self) -> dict[str, Any]:
        """What `set_meta` last wrote; empty for a new study."""
        with storage_errors(self.url):
            found = self._study.user_attrs.get(_META)
        return dict(json.loads(found)) if found else {}

    def set_meta(self, meta: Mapping[str, Any]) -> None:
        with storage_errors(self.url):
            self._study.set_user_attr(_META, json.dumps(meta))

    def discover(self, key: str, hyperparameter: Hyperparameter) -> None:
        """Keep a hyperparameter that the trace had not found, so that a resumed search knows it."""
        meta = self.meta
        meta["discovered"] = [*meta.get("discovered", []), {"key": key, **hyperparameter.to_config()}]
        self.set_meta(meta)

    def trials(self) -> list[Trial]:
        """All trials by number."""
        with storage_errors(self.url):
            return [_from_optuna(t) for t in self._study.get_trials(deepcopy=False)]

    def start(self, trial: Trial, space: Space) -> None:
        """Record a trial that starts to train; one transaction.

        Raises:
            StudyError: somebody else recorded this number.
        """
        values = dict(trial.values)
        frozen = optuna.trial.create_trial(
            state=OptunaState.RUNNING,
            params=values,
            distributions={key: natural_distribution(space[key]) for key in values},
            user_attrs={**_attributes(trial), "hyperparameters": space.names(values)},
        )
        with storage_errors(self.url):
            trial_id = self._storage.create_new_trial(self._study_id, template_trial=frozen)
            number = self._storage.get_trial_number_from_id(trial_id)
        if number != trial.number:
            raise StudyError(
                f"Trial {trial.number} of study '{self.name}' was recorded as {number}: another process writes to it. "
                "Stop the other one, or use another --study-name."
            )
        self._ids[trial.number] = trial_id

    def restart(self, trial: Trial) -> None:
        """Record that a trial found RUNNING is trained anew."""
        with storage_errors(self.url):
            self._storage.set_trial_user_attr(self._ids[trial.number], "attempt", trial.attempt)

    def add_value(self, number: int, key: str, hyperparameter: Hyperparameter, value: Value) -> None:
        """Record a hyperparameter that `fit` asked for after the model was built."""
        distribution = natural_distribution(hyperparameter)
        with storage_errors(self.url):
            internal = distribution.to_internal_repr(value)
            self._storage.set_trial_param(self._ids[number], key, internal, distribution)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record the objective after `epoch`."""
        with storage_errors(self.url):
            self._storage.set_trial_intermediate_value(self._ids[number], epoch, value)

    def finish(self, trial: Trial, space: Space, history: Mapping[str, list[float]] | None = None) -> None:
        """Record how a trial ended. Its state is written last: until then it counts as running."""
        trial_id = self._ids[trial.number]
        attributes = {
            **_attributes(trial),
            "hyperparameters": space.names(trial.values),
            "history": dict(history or {}),
        }
        with storage_errors(self.url):
            for name, value in attributes.items():
                self._storage.set_trial_user_attr(trial_id, name, value)
            values = None if trial.score is None else [trial.score]
            self._storage.set_trial_state_values(trial_id, STATES[trial.state], values)

    def archive(self) -> str:
        """Keep the study under another name and begin with an empty one; returns the other name."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
        kept = f"{self.name}_archived_{stamp}"
        with storage_errors(self.url):
            optuna.copy_study(
                from_study_name=self.name, from_storage=self._storage, to_storage=self._storage, to_study_name=kept
            )
            optuna.delete_study(study_name=self.name, storage=self._storage)
        return kept

    def discard(self) -> None:
        """Forget the study and everything in it."""
        with storage_errors(self.url):
            optuna.delete_study(study_name=self.name, storage=self._storage)

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()


def study_exists(url: str, name: str) -> bool:
    storage = open_storage(url)
    try:
        return name in {study.study_name for study in storage.get_all_studies()}
    finally:
        storage.engine.dispose()


def _attributes(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in _FIELDS} | {"schedule": asdict(trial.schedule)}


def _from_optuna(frozen: FrozenTrial) -> Trial:
    attributes = frozen.user_attrs
    known = {name: attributes[name] for name in _FIELDS if name in attributes}
    return Trial(
        number=frozen.number,
        state=_FROM_OPTUNA[frozen.state],
        values=dict(frozen.params),
        score=frozen.values[0] if frozen.values else None,
        reports=dict(frozen.intermediate_values),
        schedule=Schedule(**attributes.get("schedule", {})),
        **known,
    )
