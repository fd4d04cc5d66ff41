"""Callbacks and class weights of a recipe, from their making to what a resumed trial has of them."""

from __future__ import annotations

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from support.recipe_lab import Supervisor, folds_of, images, kept, train, variables
from truetune.data.dataset import Dataset
from truetune.errors import DataError, InputError, SpaceError
from truetune.recipe import FitRecipe, Stage
from truetune.training.recipe import weighted
from truetune.trial import Decision, TrialState

pytestmark = pytest.mark.tensorflow

EPOCHS = 4
SHARED = keras.callbacks.TerminateOnNaN()


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch):
    monkeypatch.setattr("truetune.training.checkpoints.times.SECONDS_BETWEEN", 0)


@pytest.fixture(scope="module")
def folds():
    return folds_of(images())


def dense(hp):
    """Trains in a tenth of the time of the backbone."""
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    rate = hp.Float("learning_rate", 1e-4, 10.0, sampling="log", default=0.01)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    kept.append(model)
    return model


def trained(folds, recipe, path=None, host=None, **more):
    return train(recipe, folds, path, host, hypermodel=more.pop("hypermodel", dense), epochs=EPOCHS, **more)


def without_seconds(outcome):
    return replace(outcome, seconds=0.0)


def killed_and_resumed_equals(folds, recipe, tmp_path, epochs=range(2, EPOCHS + 1)):
    """Whether trials killed at each of `epochs` end like the undisturbed one; what it left is `variables()`."""
    whole = without_seconds(trained(folds, recipe))
    end = variables()
    for epoch in epochs:
        path = tmp_path / f"{epoch}.npz"
        with pytest.raises(KeyboardInterrupt):
            trained(folds, recipe, path, Supervisor(kill_at=epoch))
        assert path.exists()
        host = Supervisor()
        assert without_seconds(trained(folds, recipe, path, host)) == whole
        assert host.known is not None
        for ours, theirs in zip(variables(), end, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    return whole


# Callbacks


def test_hyperparameters_of_callbacks_and_class_weights_are_part_of_the_trial(folds):
    recipe = FitRecipe(
        callbacks=lambda hp: [keras.callbacks.EarlyStopping("val_loss", patience=hp.Int("stop_after", 1, 9))],
        class_weight=lambda hp: {0: hp.Float("weight_of_rare", 1.0, 5.0)},
    )
    host = Supervisor()
    trained(folds, recipe, host=host)
    assert host.built_values == {"learning_rate": 0.01, "stop_after": 1, "weight_of_rare": 1.0}


def test_the_space_has_what_a_recipe_asks_for():
    from truetune.training.trace import trace_space

    recipe = FitRecipe(
        callbacks=lambda hp: (
            [keras.callbacks.EarlyStopping(patience=hp.Int("stop_after", 1, 9))] if hp.Boolean("stop_early") else []
        ),
        stages=[
            Stage("one", "one_epochs", callbacks=lambda hp: [Looking(hp.Int("one_epochs", 1, 3))]),
            Stage("two", 2, lambda model, hp: hp.Float("fine_rate", 1e-4, 1e-2)),
        ],
    )
    space = trace_space(dense, recipe)
    assert set(space) == {"learning_rate", "stop_early", "stop_after", "one_epochs", "fine_rate"}


def test_a_stage_whose_epochs_nobody_asked_for_is_refused_while_the_space_is_traced():
    from truetune.training.trace import trace_space

    with pytest.raises(SpaceError, match=r"Stage 'head'.*'head_epochs'.*Known: learning_rate"):
        trace_space(dense, FitRecipe(stages=[Stage("head", "head_epochs")]))


def test_callbacks_are_made_anew_for_every_training(folds):
    made = []

    def callbacks():
        made.append(keras.callbacks.EarlyStopping("val_loss"))
        return [made[-1]]

    for _ in range(2):
        trained(folds, FitRecipe(callbacks=callbacks))
    assert len({id(callback) for callback in made}) == len(made) >= 4


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [
        (lambda hp: None, "Expected a list of keras.callbacks.Callback"),
        (lambda hp: [keras.callbacks.EarlyStopping], "Expected a list of keras.callbacks.Callback"),
        (lambda hp: [SHARED], "returned the same TerminateOnNaN twice"),
    ],
)
def test_a_callbacks_function_that_returns_something_else_is_refused(folds, callbacks, said):
    with pytest.raises(InputError, match=said):
        trained(folds, FitRecipe(callbacks=callbacks))


def test_early_stopping_ends_the_training_and_the_score_is_that_of_the_kept_weights(folds):
    recipe = FitRecipe(
        callbacks=lambda hp: [
            keras.callbacks.EarlyStopping("val_accuracy", patience=1, mode="max", restore_best_weights=True)
        ]
    )
    host = Supervisor({"learning_rate": 3.0})
    outcome = train(recipe, folds, None, host, hypermodel=dense, epochs=50)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.epochs < 50
    rows = folds.parts(0).validation
    loss, _ = kept[0].evaluate(rows.X, rows.y, verbose=0)
    assert loss == pytest.approx(outcome.score, rel=1e-5)
    assert outcome.score == min(host.reports.values())


def test_what_early_stopping_ended_stays_ended_when_the_process_died_then(folds, tmp_path):
    recipe = FitRecipe(callbacks=lambda hp: [keras.callbacks.EarlyStopping("val_loss", patience=1)])
    settings = {"hypermodel": dense, "epochs": 50, "keep": True}
    path = tmp_path / "trial.npz"
    whole = train(recipe, folds, path, Supervisor({"learning_rate": 3.0}), **settings)
    assert whole.epochs < 50
    host = Supervisor({"learning_rate": 3.0}, kill_at=whole.epochs + 1)
    again = train(recipe, folds, path, host, **settings)
    assert without_seconds(again) == without_seconds(whole)


def test_learning_rate_callbacks_go_on_where_they_stood(folds, tmp_path):
    def callbacks(hp):
        factor = hp.Float("decay", 0.1, 0.9, default=0.7)
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * factor),
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=10.0, cooldown=1),
        ]

    whole = killed_and_resumed_equals(folds, FitRecipe(callbacks=callbacks), tmp_path)
    rates = whole.stages[0].learning_rates
    assert len(rates) == EPOCHS
    assert rates[1] == pytest.approx(rates[0] * 0.7, rel=1e-5)
    assert rates[-1] < rates[0] * 0.7**3  # the plateau lowered it too
    assert whole.history["learning_rate"] == pytest.approx(list(rates))


class Counting(keras.callbacks.Callback):
    """Has a state that decides: it lowers the learning rate in every second epoch that it has seen."""

    def __init__(self):
        super().__init__()
        self.seen, self.losses = 0, np.zeros(0)

    def on_epoch_end(self, epoch, logs=None):
        self.seen += 1
        self.losses = np.append(self.losses, logs["loss"])
        if self.seen % 2 == 0:
            self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) * self.losses.min()


class Keeping(Counting):
    def get_state(self):
        return {"seen": self.seen, "losses": self.losses, "more": [1.5, "text", None, {"a": np.float32(1)}]}

    def set_state(self, state):
        assert state["more"] == [1.5, "text", None, {"a": 1.0}]
        self.seen, self.losses = state["seen"], state["losses"]


def test_a_users_own_callback_with_get_state_goes_on(folds, tmp_path):
    killed_and_resumed_equals(folds, FitRecipe(callbacks=lambda hp: [Keeping()]), tmp_path)


def test_a_state_that_cannot_be_written_is_refused_and_named(folds, tmp_path):
    class Wrong(Keeping):
        def get_state(self):
            return {"model": object()}

    with pytest.raises(InputError, match=r"Wrong\.get_state returned <object.*Expected numbers, text, NumPy arrays"):
        trained(folds, FitRecipe(callbacks=lambda hp: [Wrong()]), tmp_path / "trial.npz")


def test_a_trial_whose_callback_cannot_be_kept_starts_from_its_beginning(folds, tmp_path):
    recipe = FitRecipe(callbacks=lambda hp: [Counting()])
    whole = without_seconds(trained(folds, recipe))
    path, host = tmp_path / "trial.npz", Supervisor(kill_at=3)
    with pytest.raises(KeyboardInterrupt):
        trained(folds, recipe, path, host)
    assert not path.exists()
    assert set(host.notes) == {host.notes[0]}
    assert "Counting changes while it trains and has no get_state and set_state" in host.notes[0]
    again = Supervisor()
    assert without_seconds(trained(folds, recipe, path, again)) == whole
    assert again.known is None
    paused = Supervisor(decisions={2: Decision.PAUSE})
    assert trained(folds, recipe, tmp_path / "other.npz", paused).state is TrialState.COMPLETE


class Looking(keras.callbacks.Callback):
    """Changes nothing of its own."""

    def __init__(self, bound):
        super().__init__()
        self.bound, self.names = bound, ["loss"]

    def on_epoch_end(self, epoch, logs=None):
        assert logs[self.names[0]] < self.bound


def test_a_users_own_callback_without_a_state_hinders_nothing(folds, tmp_path):
    killed_and_resumed_equals(folds, FitRecipe(callbacks=lambda hp: [Looking(1e9)]), tmp_path, epochs=[3])


class Patient(keras.callbacks.EarlyStopping):
    """Made from Keras' own, with nothing that changes."""


def test_a_class_made_from_one_of_keras_is_kept_like_it(folds, tmp_path):
    recipe = FitRecipe(callbacks=lambda hp: [Patient("val_loss", patience=2)])
    killed_and_resumed_equals(folds, recipe, tmp_path, epochs=[3])


def test_csv_logger_loses_and_doubles_no_line(folds, tmp_path):
    def lines(path):
        with path.open(newline="") as file:
            return [row["epoch"] for row in csv.DictReader(file)]

    for append in (False, True):
        log = tmp_path / f"{append}.csv"
        recipe = FitRecipe(callbacks=lambda hp, log=log, append=append: [keras.callbacks.CSVLogger(log, append=append)])
        path = tmp_path / f"{append}.npz"
        with pytest.raises(KeyboardInterrupt):
            trained(folds, recipe, path, Supervisor(kill_at=3))
        assert lines(log) == ["0", "1", "2"]  # the checkpoint is of the second epoch
        trained(folds, recipe, path)
        assert lines(log) == ["0", "1", "2", "3"]


def test_csv_logger_has_the_lines_of_all_stages(folds, tmp_path):
    log = tmp_path / "log.csv"
    recipe = FitRecipe(callbacks=lambda hp: [keras.callbacks.CSVLogger(log)], stages=[Stage("a", 2), Stage("b", 2)])
    trained(folds, recipe)
    assert [line.split(",")[0] for line in log.read_text().splitlines()] == ["epoch", "0", "1", "2", "3"]


def test_model_checkpoint_keeps_its_best_over_an_interruption(folds, tmp_path):
    file = tmp_path / "best.weights.h5"
    recipe = FitRecipe(
        callbacks=lambda hp: [
            keras.callbacks.ModelCheckpoint(file, "val_loss", save_best_only=True, save_weights_only=True),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 if epoch < 1 else 30.0),
        ]
    )
    path = tmp_path / "trial.npz"
    with pytest.raises(KeyboardInterrupt):
        trained(folds, recipe, path, Supervisor(kill_at=3))
    written = file.read_bytes()
    outcome = trained(folds, recipe, path)
    assert outcome.best_epoch == 1
    assert file.read_bytes() == written  # a checkpoint that has forgotten would write the worse weights of epoch 3


def test_tensorboard_writes_and_hinders_nothing(folds, tmp_path):
    logs = tmp_path / "logs"
    recipe = FitRecipe(callbacks=lambda hp: [keras.callbacks.TensorBoard(logs, write_graph=False)])
    killed_and_resumed_equals(folds, recipe, tmp_path, epochs=[3])
    assert list(logs.rglob("events*"))


def test_backup_and_restore_is_left_out_and_noted(folds, tmp_path):
    """Its folder would hand the weights of one trial to the next."""
    backup = tmp_path / "backup"
    recipe = FitRecipe(callbacks=lambda hp: [keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False)])
    host = Supervisor()
    outcome = trained(folds, recipe, host=host)
    assert outcome.history == trained(folds, FitRecipe()).history
    assert not backup.exists()
    assert len(host.notes) == 1
    assert "BackupAndRestore is left out" in host.notes[0]


def test_a_callback_that_watches_what_is_never_logged_does_not_hinder(folds):
    recipe = FitRecipe(callbacks=lambda hp: [keras.callbacks.ReduceLROnPlateau("val_f1", mode="max")])
    with pytest.warns(UserWarning, match="val_f1"):
        assert trained(folds, recipe).state is TrialState.COMPLETE


def test_a_callback_that_raises_fails_the_trial_alone(folds):
    class Raising(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ValueError("no such metric")

    outcome = trained(folds, FitRecipe(callbacks=lambda hp: [Raising()]))
    assert (outcome.state, outcome.reason) == (TrialState.FAILED, "ValueError: no such metric")


def test_a_fit_of_ones_own_gets_the_callbacks_and_weights(folds):
    import keras_tuner as kt

    given = {}

    class Own(kt.HyperModel):
        def build(self, hp):
            return dense(hp)

        def fit(self, hp, model, *args, **kwargs):
            given.update(kwargs)
            return model.fit(*args, **kwargs)

    recipe = FitRecipe(callbacks=lambda hp: [keras.callbacks.TerminateOnNaN()], class_weight={0: 2.0})
    outcome = trained(folds, recipe, hypermodel=Own())
    assert outcome.state is TrialState.COMPLETE
    assert any(isinstance(callback, keras.callbacks.TerminateOnNaN) for callback in given["callbacks"])
    assert set(given["sample_weight"]) == {1.0, 2.0}


# Class weights


def test_the_weighted_loss_is_that_of_keras(folds):
    """Rows in the same order, the weights by Keras' own argument: the same losses."""
    weights = {0: 5.0, 2: 0.25}
    outcome = trained(folds, FitRecipe(class_weight=weights), hypermodel=one_batch)
    keras.utils.set_random_seed(99)

    class Defaults:
        def Int(self, *args, default, **kwargs):
            return default

    model = one_batch(Defaults())
    rows = folds.parts(0).train
    history = model.fit(rows.X, rows.y, class_weight=weights, epochs=EPOCHS, batch_size=64, shuffle=False, verbose=0)
    np.testing.assert_allclose(outcome.history["loss"], history.history["loss"], rtol=1e-4)
    plain = trained(folds, FitRecipe(), hypermodel=one_batch)
    assert not np.allclose(plain.history["loss"], outcome.history["loss"], rtol=1e-2)


def one_batch(hp):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    hp.Int("batch_size", 64, 64, default=64)
    model.compile("sgd", "sparse_categorical_crossentropy")
    kept.append(model)
    return model


@pytest.mark.parametrize("one_hot", [False, True])
def test_balanced_is_as_in_scikit_learn(one_hot):
    y = np.array([0, 0, 0, 0, 2, 2, 1])
    data = Dataset(np.zeros((7, 2)), np.eye(3)[y] if one_hot else y)
    np.testing.assert_allclose(
        weighted(data, "balanced").sample_weight, compute_sample_weight("balanced", y), rtol=1e-6
    )


def test_balanced_weighs_by_the_training_rows_of_each_fold(monkeypatch):
    """Never by the rows that validate."""
    from truetune.training import recipe as module

    seen, original = [], module._labels
    monkeypatch.setattr(module, "_labels", lambda train: seen.append(train) or original(train))
    folds = folds_of(images(), n_folds=3)
    trained(folds, FitRecipe(class_weight="balanced"), steps_per_fold=EPOCHS)
    for fold, rows in enumerate(seen):
        np.testing.assert_array_equal(rows.y, folds.parts(fold).train.y)
    assert len(seen) == 3


def test_a_class_that_is_not_named_weighs_one():
    data = Dataset(np.zeros((3, 2)), np.array([0, 1, 2]))
    assert list(weighted(data, {1: 3.0}).sample_weight) == [1.0, 3.0, 1.0]


def test_class_weights_of_a_regression_or_of_several_outputs_are_refused():
    with pytest.raises(DataError, match="not whole"):
        weighted(Dataset(np.zeros((2, 2)), np.array([0.5, 1.0])), "balanced")
    heads = {"a": np.array([0, 1]), "b": np.array([0, 1])}
    with pytest.raises(DataError, match="the outputs a, b"):
        weighted(Dataset(np.zeros((2, 2)), heads), "balanced")


def test_a_class_weight_function_that_returns_something_else_is_refused(folds):
    with pytest.raises(InputError, match="Expected 'balanced'"):
        trained(folds, FitRecipe(class_weight=lambda hp: 3))
