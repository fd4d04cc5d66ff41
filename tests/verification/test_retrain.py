"""Retraining builds the winner, and leaves the sealed rows alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from truetune.data.dataset import Dataset
from truetune.errors import ConfigError, DataError, ObjectiveError, SpaceError, StorageError, TruetuneError
from truetune.objective import Objective
from truetune.task import Task

pytestmark = pytest.mark.tensorflow

N_FEATURES = 12
SMALL = {
    "n_cnn_blocks": 2,
    **{f"cnn_filters_{i}": 32 for i in range(2)},
    **{f"kernel_size_{i}": 3 for i in range(2)},
    **{f"pool_size_{i}": 2 for i in range(2)},
    **{f"cnn_dropout_{i}": 0.1 for i in range(2)},
    **{f"l2_reg_{i}": 0.001 for i in range(2)},
    "use_lstm": False,
    "n_dense_layers": 1,
    "dense_units_0": 64,
    "dense_dropout_0": 0.2,
    "dense_l2_0": 0.001,
    "learning_rate": 0.003,
    "optimizer": "adam",
    "batch_size": 16,
}


def small_data(seed=0, n_rows=60):
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 2
    X = rng.normal(5.0, 2.0, size=(n_rows, N_FEATURES)).astype("float32")
    X[:, 0] += 3 * y
    groups = np.array([f"s{i // 6}" for i in range(n_rows)])
    return Dataset(X, y, groups=groups, class_names=("a", "b"))


@pytest.fixture(scope="module")
def task():
    from truetune.tasks.eeg_emotion.builder import EmotionBuilder
    from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING

    return Task(
        name="small",
        hypermodel=EmotionBuilder(N_FEATURES, {"label": 2}),
        data=small_data(),
        objective=Objective("val_accuracy", "max"),
        preprocessing=StandardScaler,
        mapping=EEG_EMOTION_MAPPING,
    )


@pytest.fixture(scope="module")
def retrained(task):
    from truetune.verification.retrain import train_final

    return train_final(task, task.load(), SMALL, epochs=2, seed=3)


def test_trains_every_row_for_the_epochs_asked(retrained):
    assert len(retrained.history["loss"]) == 2
    assert int(retrained.model.optimizer.iterations) == 2 * 4  # 60 rows in batches of 16
    assert retrained.values == SMALL
    assert retrained.n_rows == 60


def test_no_validation_part_is_left_out(retrained):
    assert not [name for name in retrained.history if name.startswith("val_")]


def test_the_scaler_saw_the_training_rows_only(task):
    from truetune.verification.retrain import train_final

    development = task.load().take(np.arange(40))
    scaler = train_final(task, development, SMALL, epochs=1, seed=0).transformers[""]
    np.testing.assert_allclose(scaler.mean_, development.X.mean(axis=0), rtol=1e-5)


def random_values(seed):
    """Values as a searcher would draw them."""
    rng = np.random.default_rng(seed)

    def draw(hyperparameter):
        grid = hyperparameter.grid()
        if grid is not None:
            return grid[rng.integers(len(grid))]
        return float(rng.uniform(hyperparameter.low, hyperparameter.high))

    return draw


@pytest.mark.parametrize("seed", range(4))
def test_retraining_builds_the_winner(task, seed):
    from truetune.hyperparameters import HyperParameters
    from truetune.verification.retrain import build_with

    searched = HyperParameters(random_values(seed))
    winner = task.hypermodel(searched)
    exported = json.loads(json.dumps(searched.values))
    rebuilt, hp = build_with(task, exported)
    assert [layer.get_config() for layer in rebuilt.layers] == [layer.get_config() for layer in winner.layers]
    assert type(rebuilt.optimizer) is type(winner.optimizer)
    assert float(rebuilt.optimizer.learning_rate) == float(winner.optimizer.learning_rate)
    assert float(rebuilt.optimizer.learning_rate) == pytest.approx(searched.values["learning_rate"], rel=1e-6)
    assert hp.values["batch_size"] == searched.values["batch_size"]
    assert rebuilt.count_params() == winner.count_params()


def test_the_same_seed_gives_the_same_model(task, retrained):
    from truetune.verification.retrain import train_final

    again = train_final(task, task.load(), SMALL, epochs=2, seed=3)
    assert again.history["loss"] == pytest.approx(retrained.history["loss"], rel=1e-4)


def build_with_a_lost_learning_rate(hp):
    import keras

    hp.Float("learning_rate", 1e-5, 1e-1, default=0.01, sampling="log")
    hp.Choice("optimizer", ["adam", "sgd"])
    model = keras.Sequential([keras.Input((N_FEATURES,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"learning_rate": 0.05, "optimizer": "adam"}, "learning_rate"),
        ({"learning_rate": 0.001, "optimizer": "sgd"}, "optimizer"),
    ],
)
def test_a_value_that_never_reached_the_model_is_refused(task, values, name):
    from truetune.verification.retrain import build_with

    with pytest.raises(SpaceError, match=f"'{name}' is .* but the built model has"):
        build_with(replace(task, hypermodel=build_with_a_lost_learning_rate), values)


def test_a_builder_that_reads_back_is_believed_no_further(task):
    from truetune.training.measured import check_built

    model = task.hypermodel(_fixed(SMALL))
    with pytest.raises(SpaceError, match="'dense_units_0' is 128, but the built model has 64"):
        check_built(model, {**SMALL, "dense_units_0": 128}, task.hypermodel)


def _fixed(values):
    from truetune.hyperparameters import HyperParameters, fixed

    return HyperParameters(fixed(values))


def test_a_batch_size_that_was_not_used_is_refused(retrained):
    from truetune.training.measured import check_steps

    with pytest.raises(SpaceError, match="4 steps, but the optimizer made 8"):
        check_steps(retrained.model, {**SMALL, "batch_size": 32}, 60, 2)


def test_a_learning_rate_schedule_is_no_lie():
    import keras

    from truetune.training.measured import check_built

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.0, 10, warmup_target=0.1)), "mse")
    check_built(model, {"learning_rate": 0.1, "optimizer": "sgd"})


def test_an_uncompiled_model_is_refused():
    import keras

    from truetune.training.measured import check_built

    with pytest.raises(SpaceError, match="compile"):
        check_built(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), {})


def test_values_that_nobody_asks_for_are_refused(task):
    from truetune.verification.retrain import train_final

    with pytest.raises(SpaceError, match="never asked for lstm_units"):
        train_final(task, task.load(), {**SMALL, "lstm_units": 64}, epochs=1, seed=0)


def test_a_missing_value_is_named(task):
    from truetune.verification.retrain import build_with

    with pytest.raises(SpaceError, match="'learning_rate'"):
        build_with(task, {name: value for name, value in SMALL.items() if name != "learning_rate"})


def test_a_loss_that_diverged_is_said():
    from truetune.training.measured import check_finite

    with pytest.raises(TruetuneError, match="nan in epoch 2"):
        check_finite({"loss": [1.0, float("nan")]})


def test_metrics_are_those_of_the_test_rows(task, retrained):
    from truetune.verification.retrain import metric_of, metrics_on_test

    fresh = small_data(seed=1)
    metrics = metrics_on_test(retrained, fresh)
    assert {"loss", "accuracy", "uar", "macro_f1"} <= set(metrics)
    predicted = retrained.model.predict(retrained.transformers[""].transform(fresh.X), verbose=0).argmax(axis=1)
    assert metrics["accuracy"] == pytest.approx(np.mean(predicted == fresh.y))
    assert metric_of(task, metrics) == metrics["accuracy"]
    with pytest.raises(ObjectiveError, match="'f1'"):
        metric_of(replace(task, objective=Objective("val_f1", "max")), metrics)


def test_saved_files_give_the_same_predictions(task, retrained, tmp_path):
    import keras

    from truetune.verification.trained_files import load_preprocessing, save

    files = save(retrained, tmp_path / "models", "emotion")
    assert files.model.name == "emotion_model.keras"
    X = small_data(seed=1).X
    scaler = load_preprocessing(files.preprocessing, StandardScaler)[""]
    expected = retrained.model.predict(retrained.transformers[""].transform(X), verbose=0)
    got = keras.models.load_model(files.model).predict(scaler.transform(X), verbose=0)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    history = json.loads(files.history.read_text())
    assert history["hyperparameters"] == SMALL
    assert "test" not in history
    assert len(history["history"]["loss"]) == 2
    assert sorted(path.name for path in files.model.parent.iterdir()) == [
        "emotion_model.keras",
        "emotion_model_history.json",
        "emotion_model_preprocessing.npz",
    ]


def test_preprocessing_that_is_more_than_arrays_is_not_stored(retrained, tmp_path):
    from truetune.verification.trained_files import save

    pipeline = make_pipeline(StandardScaler()).fit(small_data().X)
    assert save(replace(retrained, transformers={"": pipeline}), tmp_path, "x").preprocessing is None
    assert not list(tmp_path.glob("*.npz"))


def test_a_damaged_archive_is_said(tmp_path):
    from truetune.verification.trained_files import load_preprocessing

    (tmp_path / "x.npz").write_bytes(b"not an archive")
    with pytest.raises(DataError, match="preprocessing archive"):
        load_preprocessing(tmp_path / "x.npz", StandardScaler)


def test_a_folder_that_cannot_be_made_is_said(retrained, tmp_path):
    from truetune.verification.trained_files import save

    (tmp_path / "models").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        save(retrained, tmp_path / "models", "emotion")


def write_config(path: Path, extra: str = "", **changes):
    from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING

    config = EEG_EMOTION_MAPPING.to_config({**SMALL, **changes})
    lines = [f"    {key} = {value!r}" for key, value in config.items()]
    path.write_text("\n".join(["class EEGEmotion:", *lines, "    LSTM_UNITS = 128", extra, ""]))
    return path


def test_from_config_to_a_saved_model_with_the_seal_unbroken(task, tmp_path):
    from truetune.verification.retrain import retrain_from_config

    config = write_config(tmp_path / "config.py", "    EPOCHS = 2")
    report = retrain_from_config(task, config, tmp_path / "models", seed=1)
    assert report.retrained.values == SMALL
    assert report.retrained.epochs == 2
    assert report.sealed_by == "subject"
    assert report.n_development + report.n_test == 60
    assert report.files.model.exists()
    assert f"The {report.n_test} test rows stay sealed (by subject)" in str(report)
    assert [path.name for path in tmp_path.rglob("seal.json")] == ["seal.json"]
    assert list(tmp_path.rglob("ledger.json")) == []


def test_a_retraining_uses_the_seal_of_the_search(task, tmp_path):
    from truetune.data.sealing.seal import seal
    from truetune.results.export import BestHyperparameters
    from truetune.verification.search_seal import seal_place

    data = task.load()
    made = seal(data, tmp_path / "tuning" / "mine_optuna" / "seal.json", seed=11)
    metadata = {
        "best_score": 0.5,
        "objective": {"name": "val_accuracy", "direction": "max"},
        "method": "optuna",
        "algorithm": "tpe",
        "study_name": "mine_optuna",
        "trial": 0,
        "n_trials": {"complete": 1},
        "data": {"fingerprint": data.fingerprint(), "kind": "arrays"},
        "seed": 11,
        "versions": {},
        "epochs": 2,
    }
    best = BestHyperparameters.model_validate({"hyperparameters": SMALL, "metadata": metadata})
    best.write(tmp_path / "best_hyperparameters.json")
    found = seal_place(task, data, tmp_path, seed=0).open()
    np.testing.assert_array_equal(found.test_rows, made.test_rows)
    others = seal_place(task, small_data(seed=5), tmp_path, seed=0).open()
    assert others.fingerprint != made.fingerprint


def test_a_config_without_a_value_or_with_wrong_epochs_is_refused(task, tmp_path):
    from truetune.verification.retrain import retrain_from_config

    config = write_config(tmp_path / "config.py", "    EPOCHS = 0")
    with pytest.raises(ConfigError, match="0 epochs"):
        retrain_from_config(task, config, tmp_path / "models")
    config.write_text(config.read_text().replace("    BATCH_SIZE = 16\n", ""))
    with pytest.raises(SpaceError, match="batch_size"):
        retrain_from_config(task, config, tmp_path / "models", epochs=1)
