"""Databases that are away for a while, are made by several at once, or whose tables changed."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy
from optuna.storages._rdb import models

from truetune.errors import StorageError, StorageUnavailable, StudyError
from truetune.storage import database
from truetune.storage.database import Patience, open_storage, sqlite_url, storage_errors
from truetune.storage.store import create_store


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(database, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(database, "LONGEST_PAUSE", 0.01)


class Away:
    """Fails some times, then works."""

    def __init__(self, times, error=StorageUnavailable):
        self.times, self.error, self.calls = times, error, 0

    def __call__(self):
        self.calls += 1
        if self.calls <= self.times:
            raise self.error("The database does not answer.")
        return "done"


def test_what_passes_is_waited_for_and_said_once(impatient):
    notes, away = [], Away(3)
    assert Patience(notes.append).run(away) == "done"
    assert away.calls == 4
    assert len(notes) == 2
    assert notes[0].startswith("The database does not answer. The search is waiting")
    assert notes[1].startswith("The database is available again")


def test_patience_ends(impatient):
    with pytest.raises(StorageUnavailable):
        Patience([].append, limit_seconds=0.05).run(Away(10**6))


def test_what_does_not_pass_is_raised_at_once(impatient):
    away = Away(1, StudyError)
    with pytest.raises(StudyError):
        Patience([].append).run(away)
    assert away.calls == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database or disk is full", StorageUnavailable),
        ("disk I/O error", StorageUnavailable),
        ("database is locked", StorageUnavailable),
        ("attempt to write a readonly database", StorageError),
        ("file is not a database", StudyError),
        ("no such table: trials", StudyError),
    ],
)
def test_errors_of_sqlite_are_told_apart(text, kind):
    with pytest.raises((StorageError, StudyError)) as caught, storage_errors("sqlite:///x.db"):
        raise sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception(text))
    assert type(caught.value) is kind


def test_a_server_that_is_away_may_come_back():
    with pytest.raises(StorageUnavailable, match="does not respond") as caught:
        with storage_errors("postgresql+psycopg://user:secret@host/db"):
            raise sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))
    assert "secret" not in str(caught.value)


OPENER = """
import sys
from truetune.storage.store import create_store

sys.stdin.readline()
store = create_store(sys.argv[1], "study", "max", "val_accuracy")
print(store.claim(100), flush=True)
store.close()
"""


def test_a_new_database_may_be_opened_by_several_at_once(tmp_path):
    url = sqlite_url(tmp_path / "optuna.db")
    openers = [
        subprocess.Popen([sys.executable, "-c", OPENER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    claimed = [int(opener.communicate(timeout=60)[0]) for opener in openers]
    assert sorted(claimed) == [0, 1, 2]


def test_optuna_keeps_the_tables_that_the_record_writes(tmp_path):
    """`storage/optuna/` writes them directly; a change of Optuna's schema has to be met there."""
    assert models.SCHEMA_VERSION == 12
    columns = {
        "trials": {"trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete"},
        "trial_params": {"param_id", "trial_id", "param_name", "param_value", "distribution_json"},
        "trial_values": {"trial_value_id", "trial_id", "objective", "value", "value_type"},
        "trial_user_attributes": {"trial_user_attribute_id", "trial_id", "key", "value_json"},
        "study_system_attributes": {"study_system_attribute_id", "study_id", "key", "value_json"},
        "trial_intermediate_values": {
            "trial_intermediate_value_id",
            "trial_id",
            "step",
            "intermediate_value",
            "intermediate_value_type",
        },
    }
    storage = open_storage(sqlite_url(tmp_path / "optuna.db"))
    inspected = sqlalchemy.inspect(storage.engine)
    assert {t: {c["name"] for c in inspected.get_columns(t)} for t in columns} == columns
    storage.engine.dispose()


def test_a_claim_whose_answer_was_lost_is_found_again(tmp_path, impatient, monkeypatch):
    """The connection breaks between the commit and its answer: the number must not be lost, nor a second one taken."""
    store = create_store(sqlite_url(tmp_path / "optuna.db"), "study", "max", "x", patience=Patience([].append))
    real, broken = store._rows.claim, []

    def claim(most):
        claimed = real(most)
        if not broken:
            broken.append(claimed)
            raise sqlalchemy.exc.OperationalError("COMMIT", {}, Exception("database is locked"))
        return claimed

    monkeypatch.setattr(store._rows, "claim", claim)
    assert store.claim(10) == 0
    assert [t.number for t in store.trials()] == [0]
    assert store.claim(10) == 1
    store.close()
