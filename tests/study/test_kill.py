"""Ten SIGKILLs at random instants, at the supervisor or a worker, and nothing that finished is lost or repeated."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import optuna
import psutil
import pytest

from truetune.storage.database import sqlite_url
from truetune.storage.store import open_store
from truetune.trial import TrialState

pytestmark = pytest.mark.tensorflow

KILLS = 10
DEADLINE_SECONDS = 400

SCRIPT = """
import sys
import time

import numpy as np

import truetune


def build(hp):
    import keras

    class Slow(keras.Sequential):
        def fit(self, *args, **kwargs):
            time.sleep(1.0)
            return super().fit(*args, **kwargs)

    width = hp.Int("width", 1, 1000)
    model = Slow([keras.Input((3,)), keras.layers.Dense(1 + width % 7), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


rng = np.random.default_rng(0)
data = truetune.Dataset(rng.normal(size=(80, 3)).astype("float32"), np.tile([0, 1], 40))
task = truetune.Task("killed", build, data, truetune.Objective("val_loss", "min"), epochs=2)
# No `if __name__ == "__main__"` guard: the search starts its workers all the same.
truetune.tune(task, max_trials=int(sys.argv[1]), directory=sys.argv[2], workers=2, study_name="killed")
"""


class Supervised:
    """The script, started again whenever it has ended."""

    def __init__(self, folder, max_trials):
        self.folder, self.max_trials = folder, max_trials
        self.script = folder / "search.py"
        self.script.write_text(SCRIPT)
        self.starts = 0
        self.start()

    def start(self):
        self.starts += 1
        log = (self.folder / f"run-{self.starts}.log").open("w")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, str(self.script), str(self.max_trials), str(self.folder / "models")],
                stdout=log,
                stderr=log,
            )

    def ensure_running(self):
        """A search that used its budget before the last kill gets a larger one."""
        if self.process.poll() is None:
            return
        if self.process.returncode == 0:
            self.max_trials += 4
        self.start()

    def workers(self):
        try:
            children = psutil.Process(self.process.pid).children()
            return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def kill_supervisor(self):
        orphans = self.workers()
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(orphans, timeout=30)
        assert alive == [], "a worker outlived its supervisor"

    def trials(self):
        path = self.folder / "models" / "tuning" / "optuna.db"
        if not path.exists():
            return []
        try:
            store = open_store(sqlite_url(path), "killed")
        except KeyError:
            return []
        try:
            return store.trials()
        finally:
            store.close()

    def last_log(self):
        return (self.folder / f"run-{self.starts}.log").read_text()


class Witness:
    """Remembers every trial it saw, and that what was finished stays as it was."""

    def __init__(self):
        self.seen = {}

    def look(self, trials):
        assert [t.number for t in trials] == list(range(len(trials)))
        for trial in trials:
            before = self.seen.get(trial.number)
            if before is not None and before.state.is_finished:
                assert trial == before
            elif before is not None and before.is_built:  # before that, its number is claimed and nothing more
                assert trial.values == before.values
            self.seen[trial.number] = trial
        assert len(trials) == len(self.seen)


@pytest.fixture
def supervised(tmp_path):
    made = Supervised(tmp_path, max_trials=12)
    yield made
    if made.process.poll() is None:
        made.kill_supervisor()


def test_ten_kills_lose_and_repeat_nothing(supervised):
    witness, chance = Witness(), random.Random(4)
    deadline = time.monotonic() + DEADLINE_SECONDS
    victims = ["supervisor"] * 3 + ["worker"] * (KILLS - 3)
    chance.shuffle(victims)
    for victim in victims:
        supervised.ensure_running()
        wait_for_workers(supervised, deadline)
        time.sleep(chance.uniform(0.0, 6.0))
        supervised.ensure_running()
        if victim == "supervisor":
            supervised.kill_supervisor()
        elif workers := supervised.workers():
            chance.choice(workers).kill()
        witness.look(supervised.trials())

    while True:
        if supervised.process.wait(max(1.0, deadline - time.monotonic())) == 0:
            break
        assert time.monotonic() < deadline, supervised.last_log()
        supervised.start()

    trials = supervised.trials()
    witness.look(trials)
    assert [t.number for t in trials] == list(range(supervised.max_trials))
    assert all(t.state.is_finished for t in trials)
    failed = [t for t in trials if t.state is TrialState.FAILED]
    assert all("SIGKILL" in t.reason or "process died" in t.reason for t in failed)
    assert len(failed) <= KILLS
    assert len({tuple(sorted(t.values.items())) for t in trials}) == len(trials)
    study = optuna.load_study(
        study_name="killed", storage=sqlite_url(supervised.folder / "models" / "tuning" / "optuna.db")
    )
    assert study.best_trial.number in {t.number for t in trials if t.state is TrialState.COMPLETE}


def wait_for_workers(supervised, deadline):
    while not supervised.workers():
        assert time.monotonic() < deadline, supervised.last_log()
        if supervised.process.poll() is not None:
            supervised.ensure_running()
        time.sleep(0.1)
