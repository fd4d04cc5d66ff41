"""A search of cheap trials (a tiny real Keras model) in processes of its own, and what its record holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from truetune.storage.database import sqlite_url
from truetune.storage.store import open_store

SCRIPT = """
import json
import sys
import time

import numpy as np

import truetune

given = json.loads(sys.argv[1])
clock_jumps = given.pop("clock_jumps", 0.0)
if clock_jumps:
    real, began = time.time, time.monotonic()
    time.time = lambda: real() + (clock_jumps if time.monotonic() - began > 12 else 0.0)
epoch_seconds, epochs = given.pop("epoch_seconds", 0.1), given.pop("epochs", 2)
prints, checkpoints = given.pop("prints", False), given.pop("checkpoints", False)
export = given.pop("export", None)


def build(hp):
    import keras

    if prints:
        print("a line of the builder", flush=True)
    if checkpoints:
        from truetune.training.checkpoints import times

        times.SECONDS_BETWEEN = 0  # after every epoch
    width = hp.Int("width", 1, 1000)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1 + width % 7), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Notes(truetune.Observer):
    def note(self, line):
        print(line, flush=True)

    def epoch_ended(self, number, epoch, value):
        time.sleep(epoch_seconds)  # the worker waits for the answer


rng = np.random.default_rng(0)
data = truetune.Dataset(rng.normal(size=(80, 3)).astype("float32"), np.tile([0, 1], 40))
task = truetune.Task("cheap", build, data, truetune.Objective("val_loss", "min"), epochs=epochs)
# No `if __name__ == "__main__"` guard: the search starts its workers all the same.
try:
    result = truetune.tune(task, study_name="cheap", observer=Notes(), **{"finalists": 0, **given})
    if export:
        result.export(export)
except truetune.TruetuneError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    raise SystemExit(error.exit_code)
print("best", result.best_score, flush=True)
"""


class Searching:
    """Processes that run the same search in one folder.

    Args:
        folder: for the script, logs and models.
        storage: database URL; None is SQLite in the folder.
        options: of `truetune.tune`.
    """

    def __init__(self, folder: Path, storage: str | None = None, **options):
        self.folder, self.options = folder, options
        self.models = folder / "models"
        self.url = storage or sqlite_url(self.models / "tuning" / "optuna.db")
        if storage is not None:
            self.options["storage"] = storage
        self.script = folder / "search.py"
        self.script.write_text(SCRIPT)
        self.processes = []

    def use(self, folder):
        """Keep the models in another folder, with SQLite."""
        self.models = folder / "models"
        self.url = sqlite_url(self.models / "tuning" / "optuna.db")

    def start(self, **more):
        """One more process; it is also returned."""
        import json

        log = self.folder / f"run-{len(self.processes)}.log"
        given = {"directory": str(self.models), **self.options, **more}
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, str(self.script), json.dumps(given)],
                stdout=output,
                stderr=output,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
        process.log = log
        self.processes.append(process)
        return process

    def workers(self, process):
        """The worker processes of a running search."""
        try:
            children = psutil.Process(process.pid).children()
            return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def trials(self):
        if self.url.startswith("sqlite") and not Path(self.url.removeprefix("sqlite:///")).exists():
            return []
        try:
            store = open_store(self.url, "cheap")
        except KeyError:
            return []
        try:
            return store.trials()
        finally:
            store.close()

    def wait_for(self, condition, seconds=120.0, what="it"):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s\n{self.logs()}"
            assert any(p.poll() is None for p in self.processes), f"{what}: all have ended\n{self.logs()}"
            time.sleep(0.2)

    def wait_for_trials(self, count, seconds=120.0):
        """Until so many have ended."""
        self.wait_for(lambda: sum(t.state.is_finished for t in self.trials()) >= count, seconds, f"{count} trials")

    def finish(self, process, seconds=300.0):
        """Wait for a process to end well."""
        assert process.wait(seconds) == 0, self.logs()

    def logs(self):
        return "\n".join(f"--- {p.log.name} (exit {p.returncode})\n{p.log.read_text()}" for p in self.processes)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
