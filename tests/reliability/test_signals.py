"""SIGTERM, SIGINT and SIGHUP end the command in good order; the same command goes on at the interrupted trial."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

import psutil
import pytest
from witness import assert_each_once

from truetune.study.database import sqlite_url
from truetune.study.store import Store
from truetune.trial import TrialState

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]

TASK = """
import time

import numpy as np

import truetune


def build(hp):
    import keras

    class Slow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            time.sleep(0.4)

    class Model(keras.Sequential):
        def fit(self, *args, callbacks=(), **kwargs):
            return super().fit(*args, callbacks=[*callbacks, Slow()], **kwargs)

    model = Model([keras.Input((3,)), keras.layers.Dense(hp.Int("width", 1, 1000)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


rng = np.random.default_rng(0)
data = truetune.Dataset(rng.normal(size=(80, 3)).astype("float32"), np.tile([0, 1], 40))
task = truetune.Task("stopped", build, data, truetune.Objective("val_accuracy", "max"), epochs=4)
"""


def command(folder, max_trials):
    options = ["tune", "--task", f"{folder / 'mine.py'}:task", "--method", "optuna", "--max-trials", str(max_trials)]
    code = "from truetune.cli import main; main()"
    return [sys.executable, "-c", code, *options, "--directory", str(folder / "models"), "--pruner", "none"]


def start(folder, max_trials):
    """In a process group of its own, as a shell does."""
    return subprocess.Popen(
        command(folder, max_trials),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=reset_signals,
    )


def reset_signals():
    """`nohup` and `&` leave them ignored."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def send(process, name, to):
    if to == "group":
        os.killpg(process.pid, signal.Signals[name])
    else:
        process.send_signal(signal.Signals[name])


@pytest.mark.parametrize(
    ("name", "to"), [("SIGTERM", "supervisor"), ("SIGTERM", "group"), ("SIGINT", "group"), ("SIGHUP", "group")]
)
def test_stopped_and_the_same_command_again(tmp_path, name, to):
    (tmp_path / "mine.py").write_text(TASK)
    search = start(tmp_path, 500)
    store = None
    for line in search.stdout:
        if line.startswith("trial 0 "):
            break
    store = Store.open_existing(sqlite_url(tmp_path / "models" / "tuning" / "optuna.db"), "stopped_optuna")
    while not any(t.state is TrialState.RUNNING and t.reports for t in store.trials()):
        assert search.poll() is None
    children = psutil.Process(search.pid).children(recursive=True)
    assert children
    send(search, name, to)
    _, errors = search.communicate(timeout=60)
    assert search.returncode == 128 + signal.Signals[name], errors
    assert "nothing that finished is lost. To go on, type:" in errors
    assert shlex.join(command(tmp_path, 500)[3:]) in errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []

    before = store.trials()
    (interrupted,) = [trial for trial in before if trial.state is TrialState.RUNNING]
    total = len(before) + 1
    again = subprocess.run(command(tmp_path, total), cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert f"interrupted and trained again: {interrupted.number}." in again.stdout
    after = store.trials()
    store.close()
    assert_each_once(after, total)
    assert all(t.state is TrialState.COMPLETE for t in after)
    for old, new in zip(before, after, strict=False):
        assert new == old if old.state.is_finished else new.values == old.values
