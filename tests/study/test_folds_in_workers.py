"""Several worker processes train the folds of one trial."""

from __future__ import annotations

import os
import signal
import time

import pytest

import truetune
from truetune.trial import TIMEOUT, TrialState

pytestmark = pytest.mark.tensorflow

ACCURACY = truetune.Objective("val_accuracy", "max")


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 64)), keras.layers.Dropout(0.2)])
    model.add(keras.layers.Dense(2, "softmax"))
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Builders:
    """Makes builders that note which process builds, and do something to the first helper."""

    def __init__(self, folder):
        self.log, self.marker = folder / "builds", folder / "marker"
        self.marker.touch()

    def builder(self, to_helper=lambda: None):
        """`to_helper` is called once, in the first process that builds besides the one that was the first to."""
        log, marker = self.log, self.marker

        def build_and_note(hp):

            model = build(hp)
            with log.open("a") as file:
                file.write(f"{os.getpid()} {hp.values['units']}\n")
            trains = [line.split()[0] for line in log.read_text().splitlines()]
            if marker.exists() and len(set(trains)) > 1 and trains[-1] != trains[0]:
                marker.unlink()
                to_helper()
            return model

        return build_and_note

    def processes(self):
        """How many processes built each model, by its units."""
        built = [line.split() for line in self.log.read_text().splitlines()]
        return {units: len({pid for pid, other in built if other == units}) for _, units in built}


@pytest.fixture
def builders(tmp_path):
    return Builders(tmp_path)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    time.sleep(600)


def search(tmp_path, blobs, builder, name, **options):
    task = truetune.Task(name, builder, blobs, ACCURACY, epochs=4)
    options = {"max_trials": 1, "protocol": "k-fold", "folds": 4, "finalists": 0, **options}
    return truetune.tune(task, directory=tmp_path / name, method="optuna", **options)


def record(result):
    return [
        (
            t.number,
            t.state,
            t.values,
            t.score,
            t.fold_scores,
            t.reports,
            t.epochs,
            t.best_epoch,
            t.metrics,
            t.fold_metrics,
        )
        for t in result.trials
    ]


@pytest.fixture
def alone(tmp_path, blobs):
    """The record of a search by one worker."""

    def searched(**options):
        return record(search(tmp_path, blobs, build, "alone", workers=1, **options))

    return searched


def test_idle_workers_help_and_the_record_is_that_of_one_worker(tmp_path, blobs, builders, alone):
    result = search(tmp_path, blobs, builders.builder(), "helped", workers=2)
    assert record(result) == alone()
    assert max(builders.processes().values()) == 2
    assert list((tmp_path / "helped").rglob("*_fold_*")) == []


def test_two_workers_train_each_trial_together_and_prune_as_one_would(tmp_path, blobs, builders, alone):
    options = {"max_trials": 7, "seed": 3}
    result = search(tmp_path, blobs, builders.builder(), "together", workers=2, workers_per_trial=2, **options)
    assert record(result) == alone(**options)
    assert sum(count == 2 for count in builders.processes().values()) >= 2


def test_the_fold_of_a_helper_that_dies_is_trained_by_the_trials_own_worker(tmp_path, blobs, builders, alone):
    result = search(tmp_path, blobs, builders.builder(die), "died", workers=2)
    assert not builders.marker.exists()
    assert record(result) == alone()


def test_a_trial_that_waits_for_a_helper_that_hangs_ends_in_time(tmp_path, blobs, builders):
    result = search(tmp_path, blobs, builders.builder(hang), "hangs", workers=2, trial_timeout=20)
    assert not builders.marker.exists()
    (trial,) = result.trials
    assert (trial.state, trial.cause) == (TrialState.FAILED, TIMEOUT)


def test_fresh_runs_of_finalists_are_helped_too(tmp_path, blobs, builders):
    options = {"max_trials": 4, "finalists": 1, "fresh_runs": 1}
    helped = search(tmp_path, blobs, builders.builder(), "fresh", workers=2, workers_per_trial=2, **options)
    alone = search(tmp_path, blobs, build, "fresh-alone", workers=1, **options)
    kept = [
        [(run.planned, run.score, run.fold_scores) for run in sorted(result.fresh, key=lambda run: str(run.planned))]
        for result in (helped, alone)
    ]
    assert kept[0] == kept[1] != []
    assert list((tmp_path / "fresh").rglob("*_fold_*")) == []
