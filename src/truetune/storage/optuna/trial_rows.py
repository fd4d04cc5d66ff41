"""What is written to Optuna's tables about trials, in whole transactions.

Optuna's storage writes one parameter or attribute in a transaction, and asks the database for each whether it fits;
a trial of 40 hyperparameters costs 60 ms. It also knows no owner: whoever has a trial's number may end it. Here a
trial is claimed, started, reported and ended in one transaction each, and only while it is ours. The tables and their
meaning are Optuna's (schema 12), so everything that reads an Optuna study reads this one.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState as OptunaState
from sqlalchemy import Connection, delete, func, insert, select, update

from truetune.storage.base import LostTrial
from truetune.storage.optuna.connection import StudyConnection

_Trials = models.TrialModel.__table__
_Params = models.TrialParamModel.__table__
_Attributes = models.TrialUserAttributeModel.__table__
_Values = models.TrialValueModel.__table__
_Reports = models.TrialIntermediateValueModel.__table__

OWNER, ATTEMPT = "owner", "attempt"


class TrialRows:
    """The trials of one study, by Optuna's trial id. They know no patience: whoever calls them runs them again."""

    def __init__(self, connection: StudyConnection) -> None:
        self._study_id, self._owner = connection.study_id, connection.owner.token
        self._transaction, self._study_locked = connection.transaction, connection.study_locked

    # Claiming

    def claim(self, most: int) -> tuple[int, int] | None:
        """A new running trial of ours as (trial id, number); None when the study has `most` trials already.

        Numbers are counted in the transaction that inserts the trial, behind the study's lock: over any number of
        processes each is given once, and none beyond `most`.
        """
        with self._study_locked() as connection:
            number = self._count(connection)
            if number >= most:
                return None
            row = {"number": number, "study_id": self._study_id, "state": OptunaState.RUNNING, "datetime_start": _now()}
            trial_id = connection.execute(insert(_Trials).values(row)).inserted_primary_key[0]  # type: ignore[index]
            self._write_attributes(connection, trial_id, {OWNER: self._owner, ATTEMPT: 0})
            return int(trial_id), number

    def _count(self, connection: Connection) -> int:
        counted = select(func.count()).select_from(_Trials).where(_Trials.c.study_id == self._study_id)
        return int(connection.scalar(counted) or 0)

    def give_back(self, trial_id: int) -> bool:
        """Undo a claim that trained nothing; False where later numbers were given, so that it has to stay."""
        with self._study_locked() as connection:
            number = connection.scalar(select(_Trials.c.number).where(_Trials.c.trial_id == trial_id))
            if number is None or number != self._count(connection) - 1:
                return False
            for table in (_Params, _Attributes, _Reports, _Values, _Trials):
                connection.execute(delete(table).where(table.c.trial_id == trial_id))
            return True

    def take(self, trial_id: int, from_owner: str, attempt: int) -> bool:
        """Make the running trial of a dead owner ours; False when somebody was quicker."""
        with self._study_locked() as connection:
            if self._owner_of(connection, trial_id) != from_owner or not self._is_running(connection, trial_id):
                return False
            self._write_attributes(connection, trial_id, {OWNER: self._owner, ATTEMPT: attempt})
            return True

    def retry(self, trial_id: int, attempt: int) -> None:
        """Raises LostTrial."""
        with self._ours(trial_id) as connection:
            self._write_attributes(connection, trial_id, {ATTEMPT: attempt})

    def free(self, trial_ids: Iterable[int]) -> None:
        """Leave running trials to whoever comes next."""
        with self._study_locked() as connection:
            for trial_id in trial_ids:
                if self._owner_of(connection, trial_id) == self._owner:
                    self._write_attributes(connection, trial_id, {OWNER: ""})

    # The life of a trial

    def start(
        self, trial_id: int, params: Mapping[str, tuple[float, BaseDistribution]], attributes: Mapping[str, Any]
    ) -> None:
        """Hyperparameters as (Optuna's internal value, distribution), and attributes. Raises LostTrial."""
        rows = [
            {
                "trial_id": trial_id,
                "param_name": key,
                "param_value": value,
                "distribution_json": distribution_to_json(distribution),
            }
            for key, (value, distribution) in params.items()
        ]
        with self._ours(trial_id) as connection:
            connection.execute(delete(_Params).where(_Params.c.trial_id == trial_id))
            if rows:
                connection.execute(insert(_Params), rows)
            self._write_attributes(connection, trial_id, attributes)

    def add_param(self, trial_id: int, key: str, value: float, distribution: BaseDistribution) -> None:
        with self._ours(trial_id) as connection:
            old = (_Params.c.trial_id == trial_id) & (_Params.c.param_name == key)
            connection.execute(delete(_Params).where(old))
            row = {"trial_id": trial_id, "param_name": key, "param_value": value}
            connection.execute(insert(_Params).values({**row, "distribution_json": distribution_to_json(distribution)}))

    def report(self, trial_id: int, step: int, value: float) -> None:
        """Raises LostTrial."""
        with self._ours(trial_id) as connection:
            old = (_Reports.c.trial_id == trial_id) & (_Reports.c.step == step)
            connection.execute(delete(_Reports).where(old))
            connection.execute(insert(_Reports).values(_report(trial_id, step, value)))

    def finish(
        self,
        trial_id: int,
        state: OptunaState,
        score: float | None,
        reports: Mapping[int, float],
        attributes: Mapping[str, Any],
    ) -> None:
        """All of `reports`, since an earlier attempt may have left others. Raises LostTrial.

        Safe to repeat when it is not known whether it was done.
        """
        with self._transaction() as connection:
            if self._is_done(connection, trial_id, state):
                return
            if state.is_finished():
                self._wake(connection, trial_id)
            self._require_ours(connection, trial_id)
            self._write_attributes(connection, trial_id, attributes)
            connection.execute(delete(_Values).where(_Values.c.trial_id == trial_id))
            if score is not None:
                kept, kind = models.TrialValueModel.value_to_stored_repr(score)
                row = {"trial_id": trial_id, "objective": 0, "value": kept, "value_type": kind}
                connection.execute(insert(_Values).values(row))
            connection.execute(delete(_Reports).where(_Reports.c.trial_id == trial_id))
            if reports:
                connection.execute(insert(_Reports), [_report(trial_id, *report) for report in reports.items()])
            ended = {"state": state, "datetime_complete": _now() if state.is_finished() else None}
            connection.execute(update(_Trials).where(_Trials.c.trial_id == trial_id).values(ended))

    def thaw(self, trial_id: int, thawed_at: int) -> None:
        """A paused trial of ours runs again."""
        with self._transaction() as connection:
            self._wake(connection, trial_id)
            self._require_ours(connection, trial_id)
            self._write_attributes(connection, trial_id, {"thawed_at": thawed_at})

    def _wake(self, connection: Connection, trial_id: int) -> None:
        """Paused trials are Optuna's WAITING; only its searcher's process goes on with one."""
        paused = (_Trials.c.trial_id == trial_id) & (_Trials.c.state == OptunaState.WAITING)
        if connection.execute(update(_Trials).where(paused).values(state=OptunaState.RUNNING)).rowcount:
            self._write_attributes(connection, trial_id, {OWNER: self._owner})

    def _is_done(self, connection: Connection, trial_id: int, state: OptunaState) -> bool:
        found = connection.scalar(select(_Trials.c.state).where(_Trials.c.trial_id == trial_id))
        return found == state and self._owner_of(connection, trial_id) == self._owner

    @contextmanager
    def _ours(self, trial_id: int) -> Iterator[Connection]:
        with self._transaction() as connection:
            self._require_ours(connection, trial_id)
            yield connection

    def _require_ours(self, connection: Connection, trial_id: int) -> None:
        """Lock the trial's row and look at its owner behind the lock."""
        mine = (_Trials.c.trial_id == trial_id) & (_Trials.c.state == OptunaState.RUNNING)
        locked = connection.execute(update(_Trials).where(mine).values(number=_Trials.c.number))
        if locked.rowcount != 1 or self._owner_of(connection, trial_id) != self._owner:
            raise LostTrial

    def _is_running(self, connection: Connection, trial_id: int) -> bool:
        found = connection.scalar(select(_Trials.c.state).where(_Trials.c.trial_id == trial_id))
        return bool(found == OptunaState.RUNNING)

    def _owner_of(self, connection: Connection, trial_id: int) -> str:
        """ "" for a trial of an earlier version, which recorded no owner."""
        wanted = (_Attributes.c.trial_id == trial_id) & (_Attributes.c.key == OWNER)
        found = connection.scalar(select(_Attributes.c.value_json).where(wanted))
        return "" if found is None else str(json.loads(found))

    def _write_attributes(self, connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
        old = (_Attributes.c.trial_id == trial_id) & _Attributes.c.key.in_(list(attributes))
        connection.execute(delete(_Attributes).where(old))
        rows = [{"trial_id": trial_id, "key": k, "value_json": json.dumps(v)} for k, v in attributes.items()]
        if rows:
            connection.execute(insert(_Attributes), rows)

    # Reading

    def states(self, numbers_from: int, and_numbers: Iterable[int]) -> list[tuple[int, int, OptunaState]]:
        """(trial id, number, state) of the trials from a number on, and of some before it."""
        wanted = (_Trials.c.number >= numbers_from) | _Trials.c.number.in_(list(and_numbers))
        rows = select(_Trials.c.trial_id, _Trials.c.number, _Trials.c.state)
        with self._transaction() as connection:
            found = connection.execute(rows.where(_Trials.c.study_id == self._study_id, wanted))
            return sorted(((int(i), int(n), state) for i, n, state in found), key=lambda row: row[1])


def _report(trial_id: int, step: int, value: float) -> dict[str, Any]:
    kept, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
    return {"trial_id": trial_id, "step": step, "intermediate_value": kept, "intermediate_value_type": kind}


def _now() -> datetime.datetime:
    """The time in UTC without a time zone, which is what Optuna stores."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
