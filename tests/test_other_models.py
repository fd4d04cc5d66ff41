"""Somebody else's model: a small CNN on scikit-learn's digits, and KerasTuner's own HyperModels, unchanged."""

from __future__ import annotations

import json

import keras
import keras_tuner
import numpy as np
import optuna
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

import truetune
from truetune.metrics import BinaryJaccard, WorstGroupAccuracy
from truetune.search.registry import ALGORITHMS
from truetune.trial import TrialState

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:Even though the `tf.config")]

ALL = [(algorithm.method, algorithm.name) for algorithm in ALGORITHMS]
OBJECTIVE = truetune.Objective("val_accuracy", "max")
TRIALS = 2


def build(hp, discrete=False):
    """As one writes it for KerasTuner: plain `for` and `if`, and a declared condition."""
    inputs = keras.Input((8, 8, 1))
    x = inputs
    for i in range(hp.Int("blocks", 1, 2)):
        x = keras.layers.Conv2D(hp.Int(f"filters_{i}", 4, 12, step=4), 3, padding="same", activation="relu")(x)
        if hp.Boolean(f"pool_{i}", default=True):
            x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    head = hp.Choice("head", ["plain", "dense"])
    with hp.conditional_scope("head", ["dense"]):
        units = hp.Int("units", 8, 32, step=8)
    if head == "dense":
        x = keras.layers.Dense(units, activation="relu")(x)
    outputs = keras.layers.Dense(10, activation="softmax")(x)
    if discrete:
        learning_rate = hp.Choice("learning_rate", [1e-3, 1e-2])
    else:
        learning_rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # compiling takes longer than these trainings
    )
    return model


def build_discrete(hp):
    return build(hp, discrete=True)


class DigitsModel(keras_tuner.HyperModel):
    """The same as a HyperModel; its `fit` tunes the batch size, as KerasTuner's guide has it."""

    def build(self, hp):
        return build_discrete(hp)

    def fit(self, hp, model, *args, **kwargs):
        kwargs.pop("batch_size", None)
        return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32]), **kwargs)


@pytest.fixture(scope="module", autouse=True)
def eagerly():
    """Tracing the graph of 50 layers takes seven times as long as the few steps trained here. Workers are as ever."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return truetune.Dataset((X[:200] / 16).reshape(-1, 8, 8, 1).astype("float32"), y[:200])


def task_of(hypermodel, data, epochs=1, name="digits"):
    return truetune.Task(name, hypermodel, data, OBJECTIVE, epochs=epochs)


def tuned(task, folder, method, algorithm, max_trials=TRIALS, **options):
    options = {"workers": 0, "pruner": "none", "finalists": 0, **options}
    return truetune.tune(task, method, max_trials, algorithm=algorithm, directory=folder, **options)


def check(result, max_trials):
    """What must hold of any search: its budget, finite scores, the record, the export."""
    states = [trial.state for trial in result.trials]
    assert [trial.number for trial in result.trials] == list(range(len(states)))
    assert 1 <= len(states) <= max_trials
    assert set(states) == {TrialState.COMPLETE}
    scores = [trial.score for trial in result.trials]
    assert np.isfinite(scores).all()
    assert result.best_score == max(scores)
    study = optuna.load_study(study_name=result.study_name, storage=result.storage)
    assert [t.params for t in study.trials] == [t.values for t in result.trials]
    assert study.best_value == result.best_score


@pytest.fixture(scope="module", params=ALL, ids=[algorithm for _, algorithm in ALL])
def searched(request, digits, tmp_path_factory):
    """The builder, the algorithm, and what a search over it found."""
    method, algorithm = request.param
    builder = build_discrete if algorithm == "grid" else build
    epochs, max_trials = (3, 4) if algorithm == "hyperband" else (1, TRIALS)
    folder = tmp_path_factory.mktemp(algorithm)
    result = tuned(task_of(builder, digits, epochs), folder, method, algorithm, max_trials)
    check(result, max_trials)
    return builder, algorithm, result, folder


def test_a_build_function_under_every_algorithm(searched):
    _, algorithm, result, folder = searched
    content = json.loads(result.export(folder / "best.json").read_text())
    used = content["hyperparameters"]
    assert set(used) == expected_names(used)
    assert used == result.best_hyperparameters
    assert content["metadata"]["algorithm"] == algorithm
    assert type(used["blocks"]) is int
    assert type(used["pool_0"]) is bool
    assert type(used["learning_rate"]) is float


def expected_names(values):
    """What the builder asks for when it is told `values`."""
    per_block = {f"{name}_{i}" for i in range(values["blocks"]) for name in ("filters", "pool")}
    return {"blocks", "head", "learning_rate", *per_block} | ({"units"} if values["head"] == "dense" else set())


@pytest.mark.parametrize(("method", "algorithm"), [("keras-tuner", "bayesian"), ("optuna", "tpe")])
def test_a_hypermodel_whose_fit_tunes_the_batch_size(digits, tmp_path, method, algorithm):
    result = tuned(task_of(DigitsModel(), digits), tmp_path, method, algorithm)
    check(result, TRIALS)
    assert all(trial.values["batch_size"] in (16, 32) for trial in result.trials)


def test_the_same_hypermodel_runs_under_plain_keras_tuner(digits, tmp_path):
    """One object: tuned here in a worker, then by `keras_tuner.RandomSearch` itself."""
    hypermodel = DigitsModel()
    result = tuned(task_of(hypermodel, digits), tmp_path, "optuna", "tpe", 2, workers=1)
    check(result, 2)
    tuner = keras_tuner.RandomSearch(
        hypermodel, objective="val_accuracy", max_trials=2, directory=tmp_path, project_name="plain", seed=0
    )
    tuner.search(digits.X[:150], digits.y[:150], validation_data=(digits.X[150:], digits.y[150:]), epochs=1, verbose=0)
    theirs = tuner.get_best_hyperparameters()[0]
    assert {name for name in theirs.values if theirs.is_active(name)} >= {"blocks", "learning_rate", "batch_size"}
    own = keras_tuner.HyperParameters()
    own.values.update(result.best_hyperparameters)
    assert hypermodel.build(own).count_params() == result.best.parameters


TUNERS = {
    "bayesian": keras_tuner.BayesianOptimization,
    "hyperband": keras_tuner.Hyperband,
    "random": keras_tuner.RandomSearch,
    "grid": keras_tuner.GridSearch,
}


def test_the_project_folder_reloads_under_plain_keras_tuner(searched):
    builder, algorithm, result, folder = searched
    project = folder / "tuning" / result.study_name / "keras_tuner"
    if algorithm not in TUNERS:
        assert not project.exists()
        return
    tuner = TUNERS[algorithm](
        builder,
        objective=keras_tuner.Objective("val_accuracy", "max"),
        directory=project.parent,
        project_name=project.name,
        overwrite=False,
    )
    trials = tuner.oracle.trials.values()
    assert sorted(trial.score for trial in trials) == sorted(trial.score for trial in result.trials)
    best = tuner.oracle.get_best_trials(1)[0]
    assert best.score == result.best_score
    theirs = tuner.get_best_hyperparameters()[0]
    assert {name: theirs.values[name] for name in result.best_hyperparameters} == result.best_hyperparameters
    model = tuner.hypermodel.build(theirs)
    assert model.count_params() == result.best.parameters


# Objectives of truetune.metrics


def segment(hp):
    """Which pixels of a digit are ink."""
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Conv2D(1, hp.Choice("kernel", [1, 3]), padding="same", activation="sigmoid")(inputs)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy", metrics=[BinaryJaccard()], jit_compile=False)
    return model


def of_groups(hp):
    def loss(y_true, y_pred):
        return keras.losses.sparse_categorical_crossentropy(y_true[:, 0], y_pred)

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Dense(hp.Choice("units", [4, 8]))(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))
    model.compile("adam", loss, metrics=[WorstGroupAccuracy(num_groups=20)], jit_compile=False)
    return model


@pytest.mark.parametrize(("builder", "objective"), [(segment, "binary_jaccard"), (of_groups, "worst_group_accuracy")])
@pytest.mark.parametrize("workers", [0, 1])
def test_our_metrics_decide(digits, tmp_path, builder, objective, workers):
    writers = np.repeat(np.arange(20), 10)
    y = (digits.X > 0.5).astype("float32") if builder is segment else np.stack([digits.y, writers], axis=1)
    data = truetune.Dataset(digits.X, y, groups=writers)
    task = truetune.Task("ours", builder, data, truetune.Objective(f"val_{objective}", "max"), epochs=1)
    result = tuned(task, tmp_path, "optuna", "tpe", workers=workers)
    check(result, TRIALS)
    assert all(0 <= trial.score <= 1 for trial in result.trials)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 16)
    X = rng.normal(size=(32, 32, 32, 3)).astype("float32") + labels[:, None, None, None]
    return truetune.Dataset(X, np.eye(2, dtype="float32")[labels])


RESNET = ("version", "conv3_depth", "conv4_depth", "pooling", "optimizer", "learning_rate")
XCEPTION = (
    *("activation", "conv2d_num_filters", "kernel_size", "initial_strides", "sep_num_filters", "num_residual_blocks"),
    *("pooling", "num_dense_layers", "dropout_rate", "dense_use_bn", "learning_rate"),
)


@pytest.mark.parametrize(("method", "algorithm"), [("optuna", "tpe"), ("keras-tuner", "random")])
@pytest.mark.parametrize(("name", "names"), [("HyperResNet", RESNET), ("HyperXception", XCEPTION)])
def test_keras_tuners_own_hypermodels_unchanged(images, tmp_path, name, names, method, algorithm):
    hypermodel = getattr(keras_tuner.applications, name)(input_shape=(32, 32, 3), classes=2)
    result = tuned(task_of(hypermodel, images, name=name), tmp_path, method, algorithm, 1)
    check(result, 1)
    assert set(result.best_hyperparameters) == set(names)
