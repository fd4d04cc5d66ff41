"""The record is an ordinary Optuna study with natural values; errors name what is wrong with a database.

What every record must do is in test_contract.py.
"""

from __future__ import annotations

import json
import os
import sqlite3

import optuna
import pytest

from truetune.errors import StorageError, StudyError
from truetune.storage.database import open_storage, sqlite_url
from truetune.storage.store import create_store, study_names
from truetune.system.checksum import checksum
from truetune.testing.storage_contract.samples import FOLDED, VALUES, every_kind, finished, running
from truetune.trial import TrialState


@pytest.fixture
def url(tmp_path):
    return sqlite_url(tmp_path / "optuna.db")


@pytest.fixture
def store(url):
    made = create_store(url, "study", "max", "val_accuracy")
    yield made
    made.close()


def test_the_database_is_in_wal_mode(url, store, tmp_path):
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_optuna_sees_natural_values_states_and_epochs(url, store):
    store.start(running(), every_kind())
    store.report(0, 1, 0.25)
    store.finish(finished(reports={1: 0.25}), every_kind(), {"loss": [2.0]})
    store.start(running(1), every_kind())
    store.finish(finished(1, TrialState.FAILED, None, reason="loss became nan"), every_kind())
    store.start(running(2), every_kind())
    store.finish(finished(2, TrialState.PRUNED, 0.1), every_kind())
    store.start(running(3), every_kind())

    study = optuna.load_study(study_name="study", storage=url)
    first = study.trials[0]
    assert first.params == VALUES
    assert all(type(first.params[key]) is type(value) for key, value in VALUES.items())
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL", "PRUNED", "RUNNING"]
    assert study.direction.name == "MAXIMIZE"
    assert study.metric_names == ["val_accuracy"]
    assert study.best_trial.number == 0
    assert first.value == 0.5
    assert first.intermediate_values == {1: 0.25}
    wanted = {"seed": 7, "epochs": 3, "best_epoch": 2, "seconds": 1.5, "parameters": 1234, "reason": "", "attempt": 0}
    assert wanted.items() <= first.user_attrs.items()
    assert first.user_attrs["history"] == {"loss": [2.0]}
    assert study.trials[1].user_attrs["reason"] == "loss became nan"
    assert first.datetime_complete is not None


def test_the_end_is_written_whole_or_not_at_all(url, store, monkeypatch):
    """A supervisor killed while it records the end leaves the trial running, to be trained again."""
    store.start(running(), every_kind())

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("truetune.storage.optuna.trial_rows._now", killed)
    with pytest.raises(KeyboardInterrupt):
        store.finish(finished(), every_kind(), {"loss": [1.0]})
    assert store.trials() == [running()]
    assert "history" not in optuna.load_study(study_name="study", storage=url).trials[0].user_attrs


def test_a_damaged_trial_is_named_with_what_to_do(tmp_path, store):
    store.start(running(), every_kind())
    store.finish(finished(), every_kind())
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("UPDATE trial_values SET value = 0.75")
    with pytest.raises(StudyError, match=r"damaged: the checksum of trial 0 does not match.*--fresh"):
        store.trials()


def test_metrics_of_the_folds_that_were_taken_out_are_damage(tmp_path, store):
    store.start(running(), every_kind())
    store.finish(finished(**FOLDED), every_kind())
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("DELETE FROM trial_user_attributes WHERE key = 'fold_metrics'")
    with pytest.raises(StudyError, match="checksum of trial 0"):
        store.trials()


def test_an_attribute_of_another_kind_is_damage(tmp_path, store):
    store.set_meta({"method": "optuna"})
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("UPDATE study_user_attributes SET value_json = '5' WHERE key = 'truetune'")
    with pytest.raises(StudyError, match="checksum of its description"):
        _ = store.meta


def test_an_archived_study_is_named_by_the_time(store, url):
    name = store.archive()
    assert name.startswith("study_archived_")
    assert study_names(url) == [name]


def test_a_trial_recorded_before_the_metrics_of_folds_were_is_read(tmp_path, store):
    """As an older version wrote it: without the field, and with a checksum that does not cover it."""
    store.start(running(), every_kind())
    store.finish(finished(metrics={"accuracy": 0.5}), every_kind())
    attributes = optuna.load_study(study_name="study", storage=store.url).trials[0].user_attrs
    content = {name: attributes[name] for name in OLDER_FIELDS}
    content |= {"number": 0, "state": "complete", "values": VALUES, "score": 0.5, "reports": {}}
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("DELETE FROM trial_user_attributes WHERE key = 'fold_metrics'")
        connection.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'checksum'", [json.dumps(checksum(content))]
        )
    assert store.trials() == [finished(metrics={"accuracy": 0.5})]


OLDER_FIELDS = (
    *("seed", "epochs", "best_epoch", "seconds", "parameters", "reason", "cause", "thawed_at", "fold_scores"),
    *("metrics", "attempt", "schedule", "hyperparameters", "history"),
)


# Databases that cannot be used


def test_an_empty_file_becomes_a_database(tmp_path, url):
    (tmp_path / "optuna.db").touch()
    store = create_store(url, "study", "max", "val_accuracy")
    assert store.trials() == []
    store.close()
    assert (tmp_path / "optuna.db").read_bytes().startswith(b"SQLite format 3")


def test_a_file_that_is_no_database_is_refused(tmp_path, url):
    (tmp_path / "optuna.db").write_bytes(b"hyperparameters,score\n" * 200)
    with pytest.raises(StudyError, match=r"is damaged \(.*not a database\).*backup, or move it away"):
        open_storage(url)
    assert (tmp_path / "optuna.db").read_bytes().startswith(b"hyperparameters")


def test_a_damaged_database_is_refused(tmp_path, url):
    store = create_store(url, "study", "max", "val_accuracy")
    for number in range(20):
        store.start(running(number), every_kind())
        store.finish(finished(number), every_kind(), {"loss": [1.0] * 100})
    store.close()
    path = tmp_path / "optuna.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    content = bytearray(path.read_bytes())
    content[8192 : len(content) // 2] = os.urandom(len(content) // 2 - 8192)
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"is damaged"):
        open_storage(url)


def test_a_truncated_database_is_refused(tmp_path, url):
    create_store(url, "study", "max", "val_accuracy").close()
    path = tmp_path / "optuna.db"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StudyError, match=r"is damaged"):
        open_storage(url)


def test_a_folder_that_cannot_hold_a_database_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot be written.*--directory"):
        open_storage(sqlite_url(tmp_path / "file" / "optuna.db"))


def test_a_read_only_database_is_said(tmp_path, url):
    create_store(url, "study", "max", "val_accuracy").close()
    (tmp_path / "optuna.db").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(StorageError, match=r"cannot be written"):
            create_store(url, "other", "max", "val_accuracy")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("wrong", ["nonsense", "notadatabase://x", ""])
def test_a_url_that_is_none_is_refused(wrong):
    with pytest.raises(StudyError, match=r"storage URL is not valid.*Expected e.g. sqlite"):
        open_storage(wrong)


def test_a_driver_that_is_missing_is_named():
    with pytest.raises(StudyError, match=r"needs a driver.*cx_Oracle"):
        open_storage("oracle+cx_oracle://user:secret@host/db")


def test_passwords_are_not_shown():
    from truetune.storage.database import _explained

    assert "secret" not in str(_explained("postgresql://user:secret@host/db", Exception("connection refused")))
