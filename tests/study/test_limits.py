"""Limits of time, in real searches: a trial that takes too long, and a search that does."""

from __future__ import annotations

import time

import numpy as np
import pytest

import truetune
from truetune.trial import TIMEOUT, TrialState

pytestmark = pytest.mark.tensorflow


def build(hp):
    import keras

    slow = hp.Boolean("slow")

    class Pace(keras.Sequential):
        def fit(self, *args, **kwargs):
            time.sleep(60.0 if slow else 0.0)
            return super().fit(*args, **kwargs)

    model = Pace([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def task():
    rng = np.random.default_rng(0)
    data = truetune.Dataset(rng.normal(size=(80, 3)).astype("float32"), np.tile([0, 1], 40))
    return truetune.Task("limits", build, data, truetune.Objective("val_loss", "min"), epochs=2)


class Notes(truetune.Observer):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


def tune(folder, **options):
    notes = Notes()
    result = truetune.tune(
        task(), "keras-tuner", 2, algorithm="grid", directory=folder, observer=notes, finalists=0, **options
    )
    return result.trials, notes.lines


def test_a_trial_that_takes_too_long_fails_and_the_search_goes_on(tmp_path):
    began = time.monotonic()
    (first, second), _ = tune(tmp_path, trial_timeout=3.0)
    assert first.state is TrialState.COMPLETE
    assert (second.state, second.cause) == (TrialState.FAILED, TIMEOUT)
    assert second.reason == "it took longer than --trial-timeout allows (3 s)"
    assert 3.0 <= second.seconds < 15.0
    assert time.monotonic() - began < 60.0


def test_a_search_whose_time_is_over_is_interrupted_and_goes_on_later(tmp_path):
    began = time.monotonic()
    trials, lines = tune(tmp_path, time_budget=4.0)
    assert time.monotonic() - began < 55.0
    assert [line for line in lines if line.startswith("The time budget ran out. Interrupted trials: 1. Rerun")]
    assert [t.state for t in trials] == [TrialState.COMPLETE, TrialState.RUNNING]
    trials, lines = tune(tmp_path, trial_timeout=2.0)
    assert [line for line in lines if "interrupted trials to train again: 1" in line]
    assert [t.state for t in trials] == [TrialState.COMPLETE, TrialState.FAILED]
