"""Weights of rows through whole searches: folds, workers, re-evaluation and verification."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import truetune

pytestmark = pytest.mark.tensorflow

ROWS = 90
RNG = np.random.default_rng(0)
LABELS = np.arange(ROWS) % 3
X = (RNG.normal(size=(ROWS, 4)) + LABELS[:, None]).astype("float32")
WEIGHTS = RNG.uniform(0.1, 5.0, ROWS)
WEIGHTS[RNG.permutation(ROWS)[:20]] = 0.0
WEIGHTED = truetune.Dataset(X, LABELS, sample_weight=WEIGHTS)


def without_sense():
    """The same, but for the features of rows that weigh nothing."""
    changed = X.copy()
    changed[WEIGHTS == 0] = RNG.normal(50.0, 20.0, size=(20, 4))
    return replace(WEIGHTED, X=changed)


def builder():
    """Of a function that workers take by value."""

    def build(hp):
        import keras

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 64), "tanh")])
        model.add(keras.layers.Dense(3, "softmax"))
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
        return model

    return build


def search(folder, data, workers=0, **options):
    task = truetune.Task("weighted", builder(), data, truetune.Objective("val_loss", "min"), epochs=2)
    return truetune.tune(
        task, "keras-tuner", 3, algorithm="random", directory=folder, workers=workers, seed=7, **options
    )


def measured(result):
    """By trial: its values, and what the weights decide of its metrics."""
    return [(t.values, t.score, t.fold_scores, t.metrics["weighted_accuracy"]) for t in result.trials]


def test_rows_that_weigh_nothing_change_no_trial_in_any_process(tmp_path):
    """In worker processes, which take the rows from files and train folds of one trial ahead, as in this one."""
    options = {"protocol": "k-fold", "folds": 3, "finalists": 1, "fresh_runs": 2}
    here = search(tmp_path / "here", WEIGHTED, **options)
    there = search(tmp_path / "there", without_sense(), workers=2, **options)
    assert len(here.trials) == 3
    assert measured(here) == measured(there)
    assert all(t.metrics["accuracy"] != o.metrics["accuracy"] for t, o in zip(here.trials, there.trials, strict=True))
    assert here.fresh
    assert [run.score for run in here.fresh] == [run.score for run in there.fresh]


def test_verification_weighs_the_sealed_rows_as_validation_does(tmp_path):
    runs = [search(tmp_path / name, data, finalists=0) for name, data in (("a", WEIGHTED), ("b", without_sense()))]
    found = [run.verify(seeds=5) for run in runs]
    for side in ("metrics_before", "metrics_after"):
        weighed = [[(m["loss"], m["weighted_accuracy"]) for m in getattr(verified, side)] for verified in found]
        assert weighed[0] == weighed[1]
        assert all(m["accuracy"] != m["weighted_accuracy"] for m in getattr(found[0], side))
    assert found[0].verdict.outcome == found[1].verdict.outcome


def test_other_weights_do_not_continue_a_study(tmp_path):
    search(tmp_path, WEIGHTED, finalists=0, study_name="weighted")
    with pytest.raises(truetune.TruetuneError, match=r"data: was fingerprint"):
        search(tmp_path, replace(WEIGHTED, sample_weight=WEIGHTS[::-1]), finalists=0, study_name="weighted")
