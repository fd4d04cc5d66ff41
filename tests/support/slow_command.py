"""`truetune tune` of slow trials, started as a shell does: for tests that stop it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

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
task = truetune.Task("NAME", build, data, truetune.Objective("val_accuracy", "max"), epochs=EPOCHS)
"""


class SlowCommand:
    """A search whose epochs take half a second.

    Args:
        folder: for the task's file and the models.
        name: the task's.
        epochs: of a trial.
        options: further words of the command.
    """

    def __init__(self, folder: Path, name: str, epochs: int, *options: str):
        self.folder, self.options = folder, options
        (folder / "mine.py").write_text(TASK.replace("NAME", name).replace("EPOCHS", str(epochs)))

    def words(self, max_trials):
        """What follows `truetune`."""
        task = ["--task", f"{self.folder / 'mine.py'}:task"]
        budget = ["--method", "optuna", "--max-trials", str(max_trials), "--finalists", "0"]
        return ["tune", *task, *budget, "--directory", str(self.folder / "models"), *self.options]

    def _command(self, max_trials):
        return [sys.executable, "-c", "from truetune.cli import main; main()", *self.words(max_trials)]

    def start(self, max_trials):
        """In a process group of its own: Ctrl-C reaches supervisor and workers alike."""
        return subprocess.Popen(
            self._command(max_trials),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_reset_signals,
        )

    def run(self, max_trials):
        """To its end."""
        return subprocess.run(
            self._command(max_trials), cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


def _reset_signals():
    """`nohup` and `&` leave them ignored."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
