"""Ctrl-C at the command line stops cleanly, says what to type, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from truetune.study.database import sqlite_url
from truetune.study.store import Store
from truetune.trial import TrialState

pytestmark = pytest.mark.tensorflow

TASK = """
import time

import numpy as np

import truetune


def build(hp):
    import keras

    class Slow(keras.Sequential):
        def fit(self, *args, **kwargs):
            time.sleep(0.5)
            return super().fit(*args, **kwargs)

    model = Slow([keras.Input((3,)), keras.layers.Dense(hp.Int("width", 1, 1000)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


rng = np.random.default_rng(0)
data = truetune.Dataset(rng.normal(size=(80, 3)).astype("float32"), np.tile([0, 1], 40))
task = truetune.Task("interrupted", build, data, truetune.Objective("val_accuracy", "max"), epochs=1)
"""


def command(folder, max_trials):
    options = ["tune", "--task", f"{folder / 'mine.py'}:task", "--method", "optuna", "--max-trials", str(max_trials)]
    code = "from truetune.cli import main; main()"
    return [sys.executable, "-c", code, *options, "--directory", str(folder / "models")]


def start(folder, max_trials):
    """In a process group of its own, as a shell does: Ctrl-C reaches supervisor and workers alike."""
    return subprocess.Popen(
        command(folder, max_trials),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # nohup and `&` leave it ignored
    )


def test_ctrl_c_and_the_same_command_again(tmp_path):
    (tmp_path / "mine.py").write_text(TASK)
    search = start(tmp_path, 500)
    for line in search.stdout:
        if line.startswith("trial 1 "):
            break
    time.sleep(0.3)
    children = psutil.Process(search.pid).children(recursive=True)
    os.killpg(search.pid, signal.SIGINT)
    _, errors = search.communicate(timeout=60)
    assert search.returncode == 130, errors
    assert "nothing that finished is lost" in errors
    assert "tune --task" in errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []

    store = Store.open_existing(sqlite_url(tmp_path / "models" / "tuning" / "optuna.db"), "interrupted_optuna")
    before = store.trials()
    total = len(before) + 1
    again = subprocess.run(command(tmp_path, total), cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert "Resuming study 'interrupted_optuna'" in again.stdout
    after = store.trials()
    store.close()
    assert [t.number for t in after] == list(range(total))
    assert all(t.state is TrialState.COMPLETE for t in after)
    for old, new in zip(before, after, strict=False):
        assert new == old if old.state.is_finished else new.values == old.values
