"""A user's own task with options: tuned, resumed, applied, retrained and verified from the command line."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.tensorflow

TASK = '''"""Flowers in a table, told apart by a small network."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import truetune


@dataclass(frozen=True)
class Options:
    data: Path = truetune.option(help="Table of measurements.", must_exist=True)
    measures: int = truetune.option(4, help="Columns to take.")
    standardize: bool = truetune.option(False, help="Centre and scale each column.")


def make(options: Options) -> truetune.Task:
    table = np.load(options.data)
    X, y = table[:, : options.measures].astype("float32"), table[:, 4].astype(int)

    def build(hp):
        model = keras.Sequential([keras.Input((options.measures,))])
        model.add(keras.layers.Dense(hp.Int("units", 4, 16, step=4, default=4), "relu"))
        model.add(keras.layers.Dense(3, "softmax"))
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log", default=1e-3)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    if options.standardize:
        X = (X - 3) / 2
    return truetune.Task("flowers", build, truetune.Dataset(X, y), truetune.Objective("val_accuracy", "max"), epochs=2)
'''

CONFIG = "UNITS = 4\nLEARNING_RATE = 0.001  # of Adam\n"
TRUETUNE = (sys.executable, "-c", "from truetune.cli import main; main(prog_name='truetune')")
TASK_WORDS = ("--task", "flowers.py:make", "--measures", "3", "--standardize")
TUNE = ("tune", *TASK_WORDS, "--method", "optuna", "--max-trials", "3", "--finalists", "0")


def command(folder, *words):
    return subprocess.run([*TRUETUNE, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a finished search."""
    import numpy as np
    from sklearn.datasets import load_iris

    folder = tmp_path_factory.mktemp("flowers")
    X, y = load_iris(return_X_y=True)
    rows = np.unique(np.column_stack([X, y])[:, [0, 1, 2, 4]], axis=0, return_index=True)[1]
    (folder / "my flowers é").mkdir()
    np.save(folder / "my flowers é" / "a table.npy", np.column_stack([X, y])[np.sort(rows)], allow_pickle=False)
    (folder / "flowers.py").write_text(TASK)
    (folder / "src").mkdir()
    (folder / "src" / "config.py").write_text(CONFIG)
    done = command(folder, *TUNE, "--data", "my flowers é/a table.npy", "--config", "src/config.py")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_record_and_the_export_keep_the_options(tuned):
    source = json.loads((tuned / "models" / "best_hyperparameters.json").read_text())["metadata"]["data"]["source"]
    assert source == {
        "task_spec": "flowers.py:make",
        "data": "my flowers é/a table.npy",
        "measures": 3,
        "standardize": True,
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--measures", "2"), "option --measures: was 3, now 2"),
        (("--measures", "4"), "option --measures: was 3, now 4"),
    ],
)
def test_other_options_under_the_same_name_are_refused_as_changed_data_are(tuned, words, line):
    done = command(tuned, *TUNE, "--data", "my flowers é/a table.npy", *words)
    assert done.returncode == 2
    assert line in done.stderr
    assert "--fresh" in done.stderr


def test_data_that_were_moved_are_the_same_data(tuned):
    copy = tuned / "moved.npy"
    copy.write_bytes((tuned / "my flowers é" / "a table.npy").read_bytes())
    done = command(tuned, *TUNE, "--data", "moved.npy", "--output", "elsewhere.json")
    assert done.returncode == 0, done.stderr
    assert "already has 3 trials; nothing to do" in done.stdout


def test_a_path_that_does_not_exist_is_refused_before_the_task_is_made(tuned):
    done = command(tuned, *TUNE, "--data", "nowhere.npy")
    assert done.returncode == 2
    assert done.stderr == "Error: --data: nowhere.npy does not exist. Expected a file or folder; check the path.\n"


def test_apply_train_and_verify_take_the_options_of_the_search(tuned):
    applied = command(tuned, "apply", "--yes")
    assert applied.returncode == 0, applied.stderr
    assert "Next: truetune train, then truetune verify" in applied.stdout
    trained = command(tuned, "train")
    assert trained.returncode == 0, trained.stderr
    verified = command(tuned, "verify", "--seeds", "5")
    assert verified.returncode == 0, verified.stderr
    assert "10/10" in verified.stdout


def test_an_option_given_now_takes_the_place_of_the_recorded_one(tuned):
    done = command(tuned, "train", "--data", "nowhere.npy")
    assert done.returncode == 2
    assert "nowhere.npy does not exist" in done.stderr
