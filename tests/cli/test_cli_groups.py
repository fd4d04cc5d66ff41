"""Who belongs together, as it is said on the command line; refusals come before any worker is started."""

import json
import subprocess
import sys

import numpy as np
import pytest

from support.cli_runs import Rows, refused

TASK = '''"""Eight persons, each with an offset of their own and three sessions, numbered from 0 in each."""

import keras
import numpy as np

import truetune

rng = np.random.default_rng(0)
person, session = np.arange(96) // 12, np.arange(96) // 4 % 3
y = rng.integers(0, 2, 96)
X = (rng.normal(size=(96, 3)) + y[:, None] + person[:, None]).astype("float32")


def build(hp):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log", default=1e-2)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


objective = truetune.Objective("val_accuracy", "max")
declared = truetune.Dataset(X, y, groups={"person": person, "session": session})
undeclared = truetune.Dataset(X, y, identities={"person": person})
task = truetune.Task("levels", build, declared, objective, epochs=1)
silent = truetune.Task("silent", build, undeclared, objective, epochs=1)
'''
TUNE = ("tune", "--method", "optuna", "--max-trials", "1", "--finalists", "0")


@pytest.fixture
def undeclared(here):
    """Arrays whose subjects have another name."""
    rows = Rows.make()
    np.savez(here / "rows.npz", X=rows.X, y=rows.y, participant_id=rows.subject)
    return here / "rows.npz"


@pytest.mark.usefixtures("no_worker")
def test_data_that_look_grouped_and_do_not_say_so(undeclared):
    message = refused("tune", "--data", undeclared)
    assert "'participant_id'" in message
    assert "both sides of a split" in message
    assert "--groups participant_id" in message
    assert "--rows-are-independent" in message


@pytest.mark.usefixtures("no_worker")
def test_a_group_that_is_not_there(undeclared):
    message = refused("tune", "--data", undeclared, "--groups", "subject")
    assert "no 'subject' to group them by. Expected one of: participant_id" in message


@pytest.mark.usefixtures("no_worker")
def test_both_at_once(undeclared):
    message = refused("plan", "--data", undeclared, "--groups", "participant_id", "--rows-are-independent")
    assert "Both --groups participant_id and --rows-are-independent" in message


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("levels")
    (folder / "levelstask.py").write_text(TASK)
    return folder


def command(folder, *words):
    program = (sys.executable, "-c", "from truetune.cli import main; main(prog_name='truetune')")
    return subprocess.run([*program, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def sealed_by(folder):
    (file,) = folder.glob("models/tuning/*/seal.json")
    return json.loads(file.read_text())["by"]


@pytest.mark.tensorflow
def test_a_search_by_session_says_what_it_mixes_and_the_record_keeps_it(folder):
    done = command(folder, *TUNE, "--task", "levelstask.py:task", "--groups", "session", "--directory", "models")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Task levels: arrays, 96 rows of 24 sessions."
    assert sum("Splits go by session, so rows of one person may be on both sides." in line for line in lines) == 1
    assert "(split by session)" in done.stdout
    assert sealed_by(folder) == "session"
    best = json.loads((folder / "models" / "best_hyperparameters.json").read_text())
    assert best["metadata"]["data"]["source"] == {"task_spec": "levelstask.py:task", "groups": "session"}


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("option", "rows", "by"),
    [
        (("--groups", "person"), "96 rows of 8 persons", "(split by person)"),
        (("--rows-are-independent",), "96 rows.", "(split by row)"),
    ],
)
def test_both_ways_out_of_the_refusal_lead_to_a_search(folder, option, rows, by):
    spec = ("--task", "levelstask.py:silent", "--directory", option[0].strip("-"))
    silent = command(folder, *TUNE, *spec)
    assert silent.returncode == 2
    assert "--groups person" in silent.stderr
    done = command(folder, *TUNE, *spec, *option)
    assert done.returncode == 0, done.stderr
    assert rows in done.stdout
    assert by in done.stdout
