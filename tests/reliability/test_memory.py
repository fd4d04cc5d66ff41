"""A search over models of which the large ones do not fit: real workers, real memory."""

from __future__ import annotations

import numpy as np
import pytest

import truetune
from truetune.system.sizes import MIB
from truetune.trial import OUT_OF_MEMORY, TrialState

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]

LIMIT = 600 * MIB
"""A worker with TensorFlow and a small model has 300 MiB, pages of files not counted."""


def heavy(hp):
    """A tiny model with ballast: `megabytes` in all, held as long as the model is."""
    import keras

    megabytes = hp.Int("megabytes", 20, 800, step=20, default=20)
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.ballast = [np.ones(MIB * 20 // 8) for _ in range(megabytes // 20)]
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def dataset():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 60)
    X = rng.normal(size=(120, 4)).astype("float32") + y[:, None] * np.float32(2)
    return truetune.Dataset(X, y, groups=np.repeat(np.arange(12), 10))


def share_out_of_memory(trials):
    return sum(trial.cause == OUT_OF_MEMORY for trial in trials) / len(trials)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    task = truetune.Task("heavy", heavy, dataset(), truetune.Objective("val_accuracy", "max"), epochs=1)
    folder = tmp_path_factory.mktemp("memory")
    return truetune.tune(task, max_trials=24, directory=folder, worker_memory=LIMIT, seed=3, finalists=0)


def test_the_search_ends_and_has_a_winner(searched):
    assert [trial.number for trial in searched.trials] == list(range(24))
    assert searched.best_hyperparameters["megabytes"] * MIB < LIMIT


def test_all_that_did_not_fit_say_so(searched):
    failed = [trial for trial in searched.trials if trial.state is TrialState.FAILED]
    assert failed
    for trial in failed:
        assert trial.cause == OUT_OF_MEMORY
        assert trial.reason.startswith("out of memory: ")
        assert "of 600 MiB allowed" in trial.reason


def test_the_search_moves_away(searched):
    trials = searched.trials
    assert share_out_of_memory(trials[-8:]) < share_out_of_memory(trials[:8]) / 2


def test_nothing_as_large_was_tried_again(searched):
    smallest = None
    for trial in searched.trials:
        assert smallest is None or trial.values["megabytes"] < smallest
        if trial.cause == OUT_OF_MEMORY:
            smallest = trial.values["megabytes"]
