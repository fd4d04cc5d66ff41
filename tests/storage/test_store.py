"""The record is an ordinary Optuna study with natural values, and says what is wrong with a database."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace

import optuna
import pytest

from truetune.errors import StorageError, StudyError
from truetune.space import Condition, Hyperparameter, Space
from truetune.storage.base import LostTrial
from truetune.storage.database import open_storage, sqlite_url
from truetune.storage.store import create_store, open_store, study_exists
from truetune.system.checksum import checksum
from truetune.trial import Schedule, Trial, TrialState


def space():
    made = Space()
    made.add(Hyperparameter("Int", "units", 32, low=32, high=256, step=32))
    made.add(Hyperparameter("Float", "rate", 1e-3, low=1e-5, high=1e-1, step=10, sampling="log"))
    made.add(Hyperparameter("Choice", "act", "relu", choices=("relu", "tanh")))
    made.add(Hyperparameter("Choice", "batch", 16, choices=(16, 32, 64)))
    made.add(Hyperparameter("Boolean", "lstm", False))
    made.add(Hyperparameter("Fixed", "version", 3, choices=(3,)))
    made.add(Hyperparameter("Int", "units", 8, low=8, high=16, step=1, conditions=(Condition("lstm", (True,)),)))
    return made


VALUES = {"units": 64, "rate": 1e-4, "act": "tanh", "batch": 32, "lstm": True, "version": 3, "units@lstm=True": 9}


@pytest.fixture
def url(tmp_path):
    return sqlite_url(tmp_path / "optuna.db")


@pytest.fixture
def store(url):
    made = create_store(url, "study", "max", "val_accuracy")
    yield made
    made.close()


def running(number=0, **changes):
    fields = {"values": VALUES, "seed": 7, "parameters": 1234} | changes
    return Trial(number, TrialState.RUNNING, **fields)


def finished(number=0, state=TrialState.COMPLETE, score=0.5, **changes):
    fields = {"values": VALUES, "seed": 7, "parameters": 1234, "epochs": 3, "best_epoch": 2, "seconds": 1.5} | changes
    return Trial(number, state, score=score, **fields)


def test_the_database_is_in_wal_mode(url, store, tmp_path):
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_trial_is_found_as_it_was_written(url, store):
    schedule = Schedule(epochs=9, initial_epoch=3, parent=None, bracket=1, round=2)
    store.start(running(schedule=schedule), space())
    assert store.trials() == [running(schedule=schedule)]
    store.report(0, 1, 0.25)
    store.report(0, 2, 0.5)
    ended = finished(schedule=schedule, reports={1: 0.25, 2: 0.5})
    store.finish(ended, space(), {"loss": [2.0, 1.0]})
    assert store.trials() == [ended]
    other = open_store(url, "study")
    assert other.trials() == [ended]
    other.close()


def test_optuna_sees_natural_values_states_and_epochs(url, store):
    store.start(running(), space())
    store.report(0, 1, 0.25)
    store.finish(finished(reports={1: 0.25}), space(), {"loss": [2.0]})
    store.start(running(1), space())
    store.finish(finished(1, TrialState.FAILED, None, reason="loss became nan"), space())
    store.start(running(2), space())
    store.finish(finished(2, TrialState.PRUNED, 0.1), space())
    store.start(running(3), space())

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
    store.start(running(), space())

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("truetune.storage.optuna.trial_rows._now", killed)
    with pytest.raises(KeyboardInterrupt):
        store.finish(finished(), space(), {"loss": [1.0]})
    assert store.trials() == [running()]
    assert "history" not in optuna.load_study(study_name="study", storage=url).trials[0].user_attrs


def test_reports_of_an_earlier_attempt_do_not_stay(store):
    store.start(running(), space())
    for epoch in (1, 2, 3):
        store.report(0, epoch, 0.25)
    ended = finished(reports={1: 0.25, 2: 0.5})
    store.finish(ended, space())
    assert store.trials() == [ended]


def test_a_damaged_trial_is_refused_and_named(tmp_path, store):
    store.start(running(), space())
    store.finish(finished(), space())
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("UPDATE trial_values SET value = 0.75")
    with pytest.raises(StudyError, match=r"damaged: the checksum of trial 0 does not fit.*--fresh"):
        store.trials()


FOLDED = {
    "fold_scores": (0.25, 0.75),
    "metrics": {"accuracy": 0.5, "loss": 1.5},
    "fold_metrics": {"accuracy": (0.25, 0.75), "loss": (2.0, 1.0)},
}


def test_the_metrics_of_each_fold_are_found_as_they_were_written(url, store):
    store.start(running(), space())
    store.finish(finished(**FOLDED), space())
    other = open_store(url, "study")
    assert other.trials() == [finished(**FOLDED)]
    other.close()


def test_a_changed_metric_of_a_fold_is_damage(tmp_path, store):
    store.start(running(), space())
    store.finish(finished(**FOLDED), space())
    change = "UPDATE trial_user_attributes SET value_json = replace(value_json, '2.0', '1.9') WHERE key='fold_metrics'"
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        assert connection.execute(change).rowcount == 1
    with pytest.raises(StudyError, match="checksum of trial 0"):
        store.trials()


def test_metrics_of_the_folds_that_were_taken_out_are_damage(tmp_path, store):
    store.start(running(), space())
    store.finish(finished(**FOLDED), space())
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("DELETE FROM trial_user_attributes WHERE key = 'fold_metrics'")
    with pytest.raises(StudyError, match="checksum of trial 0"):
        store.trials()


def test_a_trial_recorded_before_the_metrics_of_folds_were_is_read(tmp_path, store):
    """As an older version wrote it: without the field, and with a checksum that does not cover it."""
    store.start(running(), space())
    store.finish(finished(metrics={"accuracy": 0.5}), space())
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


def test_a_damaged_description_is_refused(tmp_path, store):
    store.set_meta({"method": "optuna", "seed": 1})
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        connection.execute("UPDATE study_user_attributes SET value_json = replace(value_json, '1', '2')")
    with pytest.raises(StudyError, match=r"checksum of its description"):
        assert store.meta


def test_claims_count_without_gaps_and_end_with_the_budget(url, store):
    other = create_store(url, "study", "max", "val_accuracy")
    assert [store.claim(3), other.claim(3), store.claim(3), other.claim(3), store.claim(3)] == [0, 1, 2, None, None]
    assert not store.give_back(0)
    assert store.give_back(2)
    assert other.claim(3) == 2
    other.close()


def test_what_another_process_took_cannot_be_written_any_more(url, store):
    store.start(running(), space())
    other = create_store(url, "study", "max", "val_accuracy")
    assert other.take(other.trials()[0])
    assert not other.take(replace(other.trials()[0], owner="somebody else"))
    for write in (
        lambda: store.report(0, 1, 0.5),
        lambda: store.finish(finished(), space()),
        lambda: store.retry(0, 5),
        lambda: store.start(running(), space()),
    ):
        with pytest.raises(LostTrial):
            write()
    other.finish(finished(attempt=1), space())
    assert store.changes() == []
    store.leave_to_others(0)
    assert store.changes() == [finished(attempt=1)]
    other.close()


def test_values_that_fit_asks_for_are_added(store):
    store.start(running(values={"units": 64}), space())
    store.add_value(0, "batch", space()["batch"], 32)
    assert store.trials()[0].values == {"units": 64, "batch": 32}


@pytest.mark.parametrize(
    "hyperparameter",
    [
        Hyperparameter("Float", "x", 0.1, low=0.1, high=0.3, step=0.1),
        Hyperparameter("Float", "x", 0.0, low=0.0, high=0.7, step=0.05),
        Hyperparameter("Float", "x", 1e-5, low=1e-5, high=1e-1, step=10, sampling="log"),
        Hyperparameter("Int", "x", 2, low=2, high=300, step=2, sampling="log"),
        Hyperparameter("Int", "x", 1, low=1, high=16, step=2, sampling="reverse_log"),
        Hyperparameter("Int", "x", 1, low=1, high=10, step=4),
    ],
)
def test_every_value_of_a_grid_can_be_recorded(store, hyperparameter):
    grid = hyperparameter.grid()
    only = Space({"x": hyperparameter})
    for number, value in enumerate(grid):
        store.start(running(number, values={"x": value}), only)
    assert [t.values["x"] for t in store.trials()] == list(grid)


def test_attempts_are_counted(store):
    store.start(running(), space())
    store.retry(0, 2)
    assert store.trials()[0].attempt == 2


def test_meta_and_discoveries_are_kept(url, store):
    assert store.meta == {}
    store.set_meta({"method": "optuna"})
    store.discover("act", space()["act"])
    again = create_store(url, "study", "max", "val_accuracy")
    assert again.meta["method"] == "optuna"
    assert Space.from_config(again.meta["discovered"])["act"] == space()["act"]
    again.close()


def test_a_second_writer_is_noticed(url, store):
    other = create_store(url, "study", "max", "val_accuracy")
    other.start(running(0), space())
    with pytest.raises(StudyError, match=r"Trial 0 of study 'study' is there already: another process"):
        store.start(running(0), space())
    other.close()


def test_an_archived_study_is_kept_whole(url, store):
    store.set_meta({"method": "optuna"})
    store.start(running(), space())
    store.finish(finished(), space())
    name = store.archive()
    assert name.startswith("study_archived_")
    assert not study_exists(url, "study")
    kept = open_store(url, name)
    assert kept.trials() == [finished()]
    assert kept.meta == {"method": "optuna", "discovered": []}
    kept.close()


def test_two_archives_within_a_second_do_not_collide(url):
    names = set()
    for _ in range(2):
        store = create_store(url, "study", "max", "val_accuracy")
        names.add(store.archive())
        store.close()
    assert len(names) == 2


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
        store.start(running(number), space())
        store.finish(finished(number), space(), {"loss": [1.0] * 100})
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
