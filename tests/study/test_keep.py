"""`keep`: whose weights a search leaves, and that they are those that the score belongs to."""

from __future__ import annotations

import pytest

import truetune
from truetune.data.sealing.seal import seal
from truetune.data.splitting.protocols import Protocol
from truetune.errors import InputError
from truetune.hyperparameters import HyperParameters
from truetune.storage.names import LONGEST_NAME
from truetune.study.events import Observer

pytestmark = pytest.mark.tensorflow


def build(hp):
    import keras

    width = hp.Int("width", 1, 50)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(width, "relu"), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def tune(blobs, folder, max_trials=3, epochs=2, method="optuna", **options):
    task = truetune.Task("small", build, blobs, truetune.Objective("val_loss", "min"), epochs=epochs)
    return truetune.tune(task, method, max_trials, workers=0, directory=folder, finalists=0, **options)


def files(result):
    folder = result.best_weights.parent
    return sorted(path.name for path in folder.iterdir())


def test_the_best_weights_score_what_the_record_says(blobs, tmp_path):
    result = tune(blobs, tmp_path)
    assert files(result) == [f"trial_{result.best.number:05d}.weights.h5"]
    hp = HyperParameters(lambda asked: result.best_hyperparameters[asked.name])
    model = build(hp)
    model.load_weights(result.best_weights)
    sealed = seal(blobs, tmp_path / "tuning" / result.study_name / "seal.json", 0)
    development = sealed.development(blobs)
    validation = development.take(Protocol().folds(development, 0)[0].validation)
    loss, _ = model.evaluate(validation.X, validation.y, verbose=0)
    assert loss == pytest.approx(result.best_score, rel=1e-5)


def test_all_and_none(blobs, tmp_path):
    assert tune(blobs, tmp_path / "none", 1, keep="none").best_weights is None
    assert len(files(tune(blobs, tmp_path / "all", 2, keep="all"))) == 2
    with pytest.raises(InputError, match="keep 'some' does not exist"):
        truetune.SearchOptions(keep="some")


class Checkpoints(Observer):
    """How many checkpoints there are whenever a trial has ended."""

    def __init__(self, folder):
        self.folder, self.counts = folder, []

    def trial_ended(self, trial, worker):
        self.counts.append(len(list(self.folder.glob("tuning/*/checkpoints/*.npz"))))


def test_hyperband_lets_go_of_losers_while_it_runs(blobs, tmp_path):
    watch = Checkpoints(tmp_path)
    name = "n" * LONGEST_NAME
    result = tune(blobs, tmp_path, 12, 4, "keras-tuner", algorithm="hyperband", observer=watch, study_name=name)
    assert len(result.trials) == len(watch.counts) > 6
    assert max(watch.counts) > 1
    assert 0 in watch.counts[:-1]
    assert watch.counts[-1] == 0
    archived = len("_archived_20260101T000000000000")
    assert longest_path(tmp_path) + archived < 120


def longest_path(folder):
    """Characters below `folder`."""
    return max(len(path.relative_to(folder).as_posix()) for path in folder.rglob("*"))
