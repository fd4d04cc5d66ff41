"""A user's own task and its YAML config: tuned, applied, retrained, verified and undone from the command line."""

import json
import subprocess
import sys

import pytest
import yaml

pytestmark = pytest.mark.tensorflow

TASK = '''"""Flowers in a table, told apart by a small network."""

import keras
import numpy as np

import truetune


def build(hp):
    model = keras.Sequential([keras.Input((4,))])
    for i in range(hp.Int("layers", 1, 2, default=1)):
        model.add(keras.layers.Dense(hp.Int(f"units_{i}", 4, 16, step=4, default=8), "relu"))
    model.add(keras.layers.Dense(3, "softmax"))
    rate = hp.Float("learning_rate", 1e-5, 1e-1, sampling="log", default=1e-2)
    hp.Choice("batch_size", [16, 32])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def task():
    table = np.load("flowers.npy")
    data = truetune.Dataset(table[:, :4].astype("float32"), table[:, 4].astype(int))
    return truetune.Task("flowers", build, data, truetune.Objective("val_accuracy", "max"), epochs=2)
'''

CONFIG = """\
# Flowers, as in the paper.
data: &data {path: flowers.npy, batch_size: 32}   # of the optimizer's steps

training:
  epochs: 3
  lr: 1e-3   # of Adam
model:
  layers: 1
  units: [12, 4]  # of each layer
  seed: ${oc.env:SEED}
"""

TRUETUNE = (sys.executable, "-c", "from truetune.cli import main; main(prog_name='truetune')")
MAP = ("--config", "conf.yaml", "--map", "learning_rate=training.lr", "--map", "units_{i}=model.units")
TUNE = ("tune", "--task", "flowers.py:task", "--method", "optuna", "--max-trials", "3", "--finalists", "0", *MAP)


def command(folder, *words):
    return subprocess.run([*TRUETUNE, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a finished search, and what it printed."""
    import numpy as np
    from sklearn.datasets import load_iris

    folder = tmp_path_factory.mktemp("flowers")
    X, y = load_iris(return_X_y=True)
    table = np.column_stack([X, y])
    np.save(folder / "flowers.npy", np.delete(table, 142, axis=0), allow_pickle=False)
    (folder / "flowers.py").write_text(TASK)
    (folder / "conf.yaml").write_bytes(CONFIG.replace("\n", "\r\n").encode())
    done = command(folder, *TUNE)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def applied(tuned):
    """The same after `apply`, and what that printed."""
    folder, _ = tuned
    best = folder / "models" / "best_hyperparameters.json"
    content = json.loads(best.read_text())
    content["hyperparameters"].update(learning_rate=5e-05, layers=2, units_0=16, units_1=8)
    content["metadata"]["checksum"] = None
    best.write_text(json.dumps(content))
    done = command(folder, "apply", "--yes", *MAP)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_trial_0_is_todays_yaml(tuned):
    import optuna

    folder, printed = tuned
    storage = f"sqlite:///{folder / 'models' / 'tuning' / 'optuna.db'}"
    (name,) = optuna.get_all_study_names(storage)
    first = optuna.load_study(study_name=name, storage=storage).trials[0]
    assert first.params == {"learning_rate": 0.001, "layers": 1, "units_0": 12, "batch_size": 32}
    assert "lr in conf.yaml, line 6 (training), is `1e-3`, which is text to PyYAML" in " ".join(printed.split())


def test_the_next_command_is_printed_with_the_mapping(tuned):
    words = "--config conf.yaml --map learning_rate=training.lr --map 'units_{i}=model.units'"
    assert f"truetune apply {words}" in tuned[1]


def test_apply_changes_the_named_scalars_only(applied):
    folder, printed = applied
    text = (folder / "conf.yaml").read_bytes().decode()
    read = yaml.safe_load(text)
    assert read["training"] == {"epochs": read["training"]["epochs"], "lr": 5e-05}
    assert read["model"] == {"layers": 2, "units": [16, 8], "seed": "${oc.env:SEED}"}
    assert text.count("\r\n") == text.count("\n") == CONFIG.count("\n")
    assert text.startswith("# Flowers, as in the paper.\r\ndata: &data {path: flowers.npy, batch_size: ")
    assert "  lr: 5.0e-05   # of Adam  # truetune: flowers" in text
    assert "truetune train --config conf.yaml --map learning_rate=training.lr" in printed
    assert "To undo: truetune undo --config conf.yaml" in printed


def test_a_second_apply_changes_nothing(applied):
    folder, _ = applied
    before = (folder / "conf.yaml").read_bytes()
    done = command(folder, "apply", "--yes", *MAP)
    assert done.returncode == 0, done.stderr
    assert "conf.yaml already has these values; nothing was changed." in done.stdout
    assert (folder / "conf.yaml").read_bytes() == before


def test_train_verify_and_undo_read_the_yaml(applied):
    folder, _ = applied
    trained = command(folder, "train", *MAP)
    assert trained.returncode == 0, trained.stderr
    assert (
        f"Trained {yaml.safe_load((folder / 'conf.yaml').read_text())['training']['epochs']} epochs" in trained.stdout
    )
    verified = command(folder, "verify", "--seeds", "5", *MAP)
    assert verified.returncode == 0, verified.stderr
    assert "10/10" in verified.stdout
    undone = command(folder, "undo", "--config", "conf.yaml")
    assert undone.returncode == 0, undone.stderr
    assert (folder / "conf.yaml").read_bytes() == CONFIG.replace("\n", "\r\n").encode()
