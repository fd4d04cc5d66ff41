"""Whole searches: one whose process is killed in the middle of a trial, and one that pauses and resumes trials."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys

import numpy as np
import optuna
import pytest

import truetune
from truetune.search.base import NoSuggestion, Resume, Searcher
from truetune.storage.database import sqlite_url
from truetune.storage.store import open_store
from truetune.study.events import Observer
from truetune.trial import Decision, Suggestion, TrialState

pytestmark = pytest.mark.tensorflow

SCRIPT = """
import os
import signal
import sys

import numpy as np

import truetune
from truetune.study.events import Observer


def build(hp):
    import keras
    import truetune.training.checkpoints.times

    truetune.training.checkpoints.times.SECONDS_BETWEEN = 0  # in the worker: these epochs take milliseconds
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(hp.Int("units", 2, 9), "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class Killer(Observer):
    def epoch_ended(self, number, epoch, value):
        if (number, epoch) == (1, 4):
            os.kill(os.getpid(), signal.SIGKILL)


def search(folder, observer, workers):
    rng = np.random.default_rng(0)
    data = truetune.Dataset(rng.normal(size=(90, 3)), np.tile([0, 1], 45))
    task = truetune.Task("killed", build, data, truetune.Objective("val_loss", "min"), epochs=6)
    options = {"directory": folder, "workers": workers, "study_name": "killed", "finalists": 0}
    truetune.tune(task, max_trials=2, observer=observer, **options)


if __name__ == "__main__":
    search(sys.argv[1], Killer(), workers=1)
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script as a file, and as a module."""
    from truetune.training.checkpoints import times

    monkeypatch.setattr(times, "SECONDS_BETWEEN", times.SECONDS_BETWEEN)  # undone afterwards
    path = tmp_path / "search_to_kill.py"
    path.write_text(SCRIPT)
    spec = importlib.util.spec_from_file_location("search_to_kill", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return path, module


def recorded(folder):
    """Trials and their histories, without what the clock says."""
    url = sqlite_url(folder / "tuning" / "optuna.db")
    store = open_store(url, "killed")
    trials = store.trials()
    store.close()
    study = optuna.load_study(study_name="killed", storage=url)
    return trials, [dict(trial.user_attrs.get("history", {})) for trial in study.trials]


def test_a_search_killed_in_the_middle_of_a_trial_ends_as_the_undisturbed_one(tmp_path, script):
    """The worker dies with its supervisor; another supervisor goes on with its trial."""
    path, module = script
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    killed = subprocess.run([sys.executable, str(path), str(broken)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [t.state for t in recorded(broken)[0]] == [TrialState.COMPLETE, TrialState.RUNNING]
    checkpoints = broken / "tuning" / "killed" / "checkpoints"
    assert [path.name for path in checkpoints.glob("*.npz")] == ["trial_00001.npz"]

    module.search(broken, Observer(), workers=0)
    module.search(whole, Observer(), workers=0)
    (trials, histories), (expected, expected_histories) = recorded(broken), recorded(whole)
    assert histories == expected_histories
    for ours, theirs in zip(trials, expected, strict=True):
        assert (ours.score, ours.reports, ours.epochs, ours.best_epoch, ours.values) == (
            theirs.score,
            theirs.reports,
            theirs.epochs,
            theirs.best_epoch,
            theirs.values,
        )
    assert trials[1].attempt == 1


# Freeze and thaw


RATES = (0.0001, 0.05, 0.02)


class FreezeThaw(Searcher):
    """Trains each rate for one epoch, then the best two to their end."""

    name = "freeze-thaw"
    thaw = True

    def __init__(self, problem):
        self.scores, self.thawed, self.told = {}, set(), []

    def ask(self, number, attempt=0):
        if number < len(RATES):
            return Suggestion({"learning_rate": RATES[number]})
        best = sorted(self.scores, key=self.scores.get)[:2]
        waiting = [trial for trial in best if trial not in self.thawed]
        if not waiting or not self.thaw:
            return NoSuggestion.EXHAUSTED
        self.thawed.add(waiting[0])
        return Resume(waiting[0])

    def answer(self, number, key, hyperparameter):
        return hyperparameter.default

    def retract(self, number):
        pass

    def accept(self, number, values):
        pass

    def report(self, number, epoch, value):
        return Decision.PAUSE if epoch == 1 else Decision.GO_ON

    def tell(self, trial):
        self.told.append((trial.number, trial.state))
        if trial.state is TrialState.PAUSED:
            self.scores[trial.number] = trial.reports[1]

    def restore(self, trials):
        for trial in trials:
            self.tell(trial)


class Straight(FreezeThaw):
    """The same trials, without a pause."""

    def report(self, number, epoch, value):
        return Decision.GO_ON


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.3)])
    model.add(keras.layers.Dense(2, "softmax"))
    rate = hp.Float("learning_rate", 1e-6, 0.1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


def task():
    rng = np.random.default_rng(1)
    y = np.tile([0, 1], 60)
    data = truetune.Dataset(rng.normal(size=(120, 3)) + y[:, None], y)
    return truetune.Task("thaw", build, data, truetune.Objective("val_loss", "min"), epochs=3)


def search(folder, searcher):
    made = []

    def make(problem):
        made.append(searcher(problem))
        return made[0]

    result = truetune.tune(task(), max_trials=len(RATES), directory=folder, workers=0, searcher=make, finalists=0)
    return result.trials, made[0]


def test_a_searcher_pauses_trials_and_goes_on_with_the_best(tmp_path):
    frozen, searcher = search(tmp_path / "frozen", FreezeThaw)
    straight, _ = search(tmp_path / "straight", Straight)
    best = sorted(range(len(RATES)), key=lambda number: straight[number].reports[1])[:2]
    assert searcher.thawed == set(best)
    for ours, theirs in zip(frozen, straight, strict=True):
        if ours.number in best:
            assert (ours.state, ours.thawed_at) == (TrialState.COMPLETE, 1)
            assert (ours.score, ours.reports, ours.best_epoch) == (theirs.score, theirs.reports, theirs.best_epoch)
        else:
            assert (ours.state, ours.score) == (TrialState.PRUNED, theirs.reports[1])
            assert ours.reports == {1: theirs.reports[1]}
    assert [state for number, state in searcher.told if number == best[0]] == [TrialState.PAUSED, TrialState.COMPLETE]
    assert list(tmp_path.glob("frozen/tuning/*/checkpoints/*")) == []


def test_paused_trials_wait_in_the_record(tmp_path):
    """A search that is interrupted while trials are paused goes on with them."""

    class Interrupted(FreezeThaw):
        def ask(self, number, attempt=0):
            if number == len(RATES):
                raise KeyboardInterrupt
            return super().ask(number, attempt)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, Interrupted)
    database = next(tmp_path.glob("tuning/optuna.db"))
    summary = optuna.get_all_study_summaries(f"sqlite:///{database}")[0]
    study = optuna.load_study(study_name=summary.study_name, storage=f"sqlite:///{database}")
    assert [t.state.name for t in study.trials] == ["WAITING"] * len(RATES)
    trials, searcher = search(tmp_path, FreezeThaw)
    assert {t.number for t in trials if t.state is TrialState.COMPLETE} == searcher.thawed
    assert all(t.state.is_finished for t in trials)
