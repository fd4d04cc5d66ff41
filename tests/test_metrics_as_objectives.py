"""Every metric of `truetune.metrics` decides a search under the name that it logs."""

from __future__ import annotations

import numpy as np
import pytest

import truetune
from truetune.errors import ObjectiveError
from truetune.trial import TrialState
from truetune.verification.verification import Candidate
from truetune.verification.verify import VerifyOptions, verify

pytestmark = pytest.mark.tensorflow

rng = np.random.default_rng(4)
LABELS = rng.integers(0, 3, 60)
X = (rng.normal(size=(60, 4)) + LABELS[:, None]).astype("float32")
LABELS_AND_GROUPS = np.stack([LABELS, np.arange(60) % 2], axis=1)
MASKS = rng.integers(0, 2, (60, 4, 4))
IMAGES = (rng.normal(size=(60, 4, 4, 1)) + MASKS[..., None]).astype("float32")

CANDIDATES = Candidate({"width": 4}, 1), Candidate({"width": 8}, 1)


def loss_of_labels(y_true, y_pred):
    """The second column is the group."""
    import keras

    return keras.losses.sparse_categorical_crossentropy(y_true[:, 0], y_pred)


def network(metric, loss="sparse_categorical_crossentropy"):
    def build(hp):
        import keras

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("width", 4, 8), "relu")])
        model.add(keras.layers.Dense(3, "softmax"))
        model.compile("adam", loss, metrics=[metric()])
        return model

    return build


def segmentation(metric, activation="softmax", loss="sparse_categorical_crossentropy"):
    def build(hp):
        import keras

        model = keras.Sequential(
            [keras.Input((4, 4, 1)), keras.layers.Conv2D(hp.Int("filters", 2, 4), 3, padding="same")]
        )
        model.add(keras.layers.Conv2D(2 if activation == "softmax" else 1, 1, activation=activation))
        model.compile("adam", loss, metrics=[metric()])
        return model

    return build


def of(name, *arguments):
    """The metric `name`, made where the model is built, since `truetune.metrics` loads Keras."""

    def make():
        import truetune.metrics

        return getattr(truetune.metrics, name)(*arguments)

    return make


ONE_OUTPUT = {"activation": "sigmoid", "loss": "binary_crossentropy"}
CASES = {
    "uar": (network(of("UnweightedAverageRecall", 3)), X, LABELS),
    "macro_f1": (network(of("MacroF1", 3)), X, LABELS),
    "worst_group_accuracy": (network(of("WorstGroupAccuracy", 2), loss_of_labels), X, LABELS_AND_GROUPS),
    "jaccard": (segmentation(of("Jaccard", 2)), IMAGES, MASKS),
    "dice": (segmentation(of("Dice", 2)), IMAGES, MASKS),
    "binary_jaccard": (segmentation(of("BinaryJaccard"), **ONE_OUTPUT), IMAGES, MASKS),
    "binary_dice": (segmentation(of("BinaryDice"), **ONE_OUTPUT), IMAGES, MASKS),
}


def test_every_metric_has_a_case():
    import truetune.metrics

    assert len(CASES) == len(truetune.metrics.__all__)


def one_hot(metric):
    """Keras' `F1Score` wants labels as rows of zeros and a one."""
    return network(metric, "categorical_crossentropy"), truetune.Dataset(X, np.eye(3)[LABELS])


def f1_of_each_class():
    import keras

    return keras.metrics.F1Score(name="f1")


@pytest.mark.parametrize("protocol", ["holdout", "k-fold"])
def test_a_metric_with_a_value_for_each_class_stands_beside_the_objective_or_one_of_them_is_it(tmp_path, protocol):
    build, data = one_hot(f1_of_each_class)
    task = truetune.Task("by_class", build, data, truetune.Objective("val_f1[1]", "max"), epochs=1)
    options = {"workers": 0, "directory": tmp_path, "finalists": 1, "fresh_runs": 2}
    result = truetune.tune(task, "optuna", 1, protocol=protocol, folds=3, **options)
    (trial,) = result.trials
    assert trial.state is TrialState.COMPLETE
    assert 0 < trial.score <= 1
    if protocol == "k-fold":
        assert {"f1[0]", "f1[1]", "f1[2]"} <= set(trial.metrics) == set(trial.fold_metrics)
        assert trial.score == trial.metrics["f1[1]"]
    found = verify(task, data.take(np.arange(40)), data.take(np.arange(40, 60)), *CANDIDATES, VerifyOptions(seeds=5))
    assert found.metric == "f1[1]"
    assert found.verdict.n_clusters is not None  # it could be resampled by rows
    assert [run["f1[1]"] for run in found.metrics_after] == list(found.after)


def test_a_metric_with_a_value_for_each_class_is_no_objective_itself(tmp_path):
    build, data = one_hot(f1_of_each_class)
    task = truetune.Task("by_class", build, data, truetune.Objective("val_f1", "max"), epochs=1)
    with pytest.raises(ObjectiveError, match=r"val_f1\[0\], val_f1\[1\].*It has a value for each class"):
        truetune.tune(task, "optuna", 1, workers=0, directory=tmp_path, finalists=0)


@pytest.mark.parametrize("name", CASES)
def test_a_search_for_it(tmp_path, name):
    build, features, labels = CASES[name]
    objective = truetune.Objective(f"val_{name}", "max")
    task = truetune.Task(name, build, truetune.Dataset(features, labels), objective, epochs=1)
    result = truetune.tune(task, "optuna", 1, workers=0, directory=tmp_path, finalists=0)
    (trial,) = result.trials
    assert trial.state is TrialState.COMPLETE
    assert result.best_score == trial.reports[1] == trial.score
    assert 0 < trial.score <= 1
