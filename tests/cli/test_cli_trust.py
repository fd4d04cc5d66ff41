"""A stranger's JSON cannot have a file run."""

from __future__ import annotations

import pytest

from support.cli_runs import refused, run
from truetune.results.export import BestHyperparameters, DataRecord, Metadata, ObjectiveRecord
from truetune.storage.database import sqlite_url
from truetune.storage.store import create_store

TASK = """
from pathlib import Path

Path("executed").touch()
raise RuntimeError("it was run")
"""


def export(folder, spec):
    """An exported winner that names its task."""
    winner = BestHyperparameters(
        hyperparameters={"units": 2},
        metadata=Metadata(
            best_score=0.8,
            objective=ObjectiveRecord(name="val_accuracy", direction="max"),
            method="optuna",
            algorithm="tpe",
            study_name="mine_optuna",
            trial=1,
            n_trials={"complete": 2},
            data=DataRecord(fingerprint="0" * 16, kind="arrays", source={"task_spec": spec}),
            seed=0,
            versions={},
            epochs=3,
        ),
    )
    winner.write(folder / "models" / "best_hyperparameters.json")


@pytest.fixture
def stranger(here):
    """An export, and the file that it names."""
    (here / "evil.py").write_text(TASK)
    (here / "config.py").write_text("UNITS = 1\n")
    export(here, "evil.py:task")
    return here


@pytest.mark.parametrize("command", [("apply", "--yes"), ("train",)], ids=lambda words: words[0])
def test_its_task_is_not_run(stranger, command):
    message = refused(*command, "--config", "config.py")
    assert "was not run" in message
    assert "--task evil.py:task" in message
    assert not (stranger / "executed").exists()


def test_a_module_of_pythons_own_is_not_called(stranger):
    export(stranger, "os:abort")
    assert "was not run" in refused("apply", "--config", "config.py")


@pytest.mark.parametrize("how", ["said", "recorded"])
def test_it_is_run_where_a_person_says_so_or_a_search_here_was(stranger, how):
    words = ("--task", "evil.py:task") if how == "said" else ()
    if how == "recorded":
        (stranger / "models" / "tuning").mkdir()
        store = create_store(
            sqlite_url(stranger / "models" / "tuning" / "optuna.db"), "mine_optuna", "max", "val_accuracy"
        )
        store.set_meta({"source": {"task_spec": "evil.py:task"}})
        store.close()
    assert "it was run" in run("apply", "--yes", "--config", "config.py", *words).output
    assert (stranger / "executed").exists()
