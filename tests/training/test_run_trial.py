"""One trial: its score is that of the weights it keeps; what goes wrong in it is said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Fold
from truetune.errors import ObjectiveError, SpaceError
from truetune.objective import Objective
from truetune.training.messages import Host, Request, TrainingTask
from truetune.trial import Decision, Schedule, TrialState

pytestmark = pytest.mark.tensorflow

ACCURACY = Objective("val_accuracy", "max")
LOSS = Objective("val_loss", "min")


class Recording(Host):
    """Answers with given values, else the defaults; `stop_at` prunes."""

    def __init__(self, values=None, stop_at=None, known=False):
        self.values = values or {}
        self.stop_at, self.known = stop_at, known
        self.asked, self.epochs, self.parameters, self.names = [], {}, None, None

    def answer(self, hyperparameter):
        self.asked.append(hyperparameter.name)
        return self.values.get(hyperparameter.name, hyperparameter.default)

    def built(self, values, parameters, complete):
        self.names, self.parameters = dict(values), parameters
        return not self.known

    def resumed(self, reports):
        self.epochs.update(reports)

    def epoch(self, epoch, value):
        self.epochs[epoch] = value
        return Decision.STOP if epoch == self.stop_at else Decision.GO_ON

    def note(self, line):
        raise AssertionError(line)


def one_fold(data, n_train):
    from truetune.training.folds.source import Folds

    return Folds(data, [Fold("1 of 1", np.arange(n_train), np.arange(n_train, len(data)), "row")])


@pytest.fixture(scope="module")
def folds():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 48)
    X = rng.normal(size=(96, 4)).astype("float32") + y[:, None] * np.float32(1.0)
    return one_fold(Dataset(X, y), 64)


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 8, default=4), "relu")])
    model.add(keras.layers.Dropout(0.3))
    model.add(keras.layers.Dense(2, "softmax"))
    rate = hp.Float("learning_rate", 1e-4, 100.0, sampling="log", default=0.03)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    kept.append(model)
    return model


def linear(hp):
    """Without a rectifier, which turns NaN into 0 on some processors."""
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


kept = []
"""The models that `build` made, so that tests can look at their weights."""


def task(hypermodel=build, objective=LOSS, epochs=4, patience=None):
    return TrainingTask(hypermodel, objective, epochs, patience, None)


def trained(folds, host=None, **changes):
    from truetune.training.run_trial import run_trial

    kept.clear()
    settings = {"schedule": Schedule()} | changes.pop("request", {})
    return run_trial(task(**changes), folds, Request(0, 1, **settings), host or Recording())


def test_the_score_is_that_of_the_weights_that_are_kept(folds):
    """Training at this rate gets worse after its best epoch."""
    host = Recording({"learning_rate": 1.0})
    outcome = trained(folds, host, epochs=6)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.score == min(host.epochs.values()) == host.epochs[outcome.best_epoch]
    assert outcome.epochs == 6
    loss, _ = kept[0].evaluate(folds.parts(0).validation.X, folds.parts(0).validation.y, verbose=0)
    assert loss == pytest.approx(outcome.score, rel=1e-5)
    assert outcome.history["val_loss"] == pytest.approx([host.epochs[e] for e in range(1, 7)])
    assert outcome.seconds > 0
    assert host.parameters == kept[0].count_params()
    assert host.names == {"units": 4, "learning_rate": 1.0}


def test_training_stops_when_nothing_improves(folds):
    outcome = trained(folds, Recording({"learning_rate": 100.0}), epochs=50, patience=2)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.epochs == outcome.best_epoch + 2 < 50


def test_the_supervisor_can_prune(folds):
    outcome = trained(folds, Recording(stop_at=2))
    assert (outcome.state, outcome.epochs) == (TrialState.PRUNED, 2)
    assert outcome.score is not None


def test_equal_seeds_train_equally(folds):
    assert trained(folds, epochs=2).history == trained(folds, epochs=2).history


def test_a_known_trial_is_not_trained(folds):
    host = Recording(known=True)
    assert trained(folds, host) is None
    assert host.epochs == {}


def test_a_loss_that_is_nan_fails_the_trial_with_its_epoch(folds):
    X = np.ones((96, 4), "float32")
    X[:64] = np.nan
    broken = one_fold(Dataset(X, np.tile([0, 1], 48)), 64)
    outcome = trained(broken, hypermodel=linear)
    assert outcome.state is TrialState.FAILED
    assert outcome.reason == "loss became nan in epoch 1"
    assert outcome.score is None


def test_an_objective_that_is_never_logged_ends_the_first_epoch_with_the_logged_names(folds):
    host = Recording()
    with pytest.raises(ObjectiveError, match=r"'val_f1' was never logged.*accuracy, loss, val_accuracy, val_loss"):
        trained(folds, host, objective=Objective("val_f1", "max"), epochs=1000)
    assert host.epochs == {}


def failing_in_fit(hp):
    import keras

    class Exploding(keras.Model):
        def call(self, inputs):
            return inputs

        def fit(self, *args, **kwargs):
            raise RuntimeError("out of luck\nsecond line")

    model = Exploding()
    model.compile("sgd", "mse")
    model.build((None, 4))
    return model


def test_an_exception_in_fit_fails_the_trial_with_the_users_traceback(folds):
    outcome = trained(folds, hypermodel=failing_in_fit)
    assert (outcome.state, outcome.stage, outcome.reason) == (TrialState.FAILED, "fit", "RuntimeError: out of luck")
    assert 'raise RuntimeError("out of luck' in outcome.traceback
    assert "truetune/training" not in outcome.traceback.replace("\\", "/").split("test_trial.py")[0]


def test_an_exception_in_build_fails_the_trial_with_the_users_traceback(folds):
    def broken(hp):
        return {}["no such layer"]

    outcome = trained(folds, hypermodel=broken)
    assert (outcome.state, outcome.stage) == (TrialState.FAILED, "build")
    assert outcome.reason == "KeyError: 'no such layer'"
    assert outcome.traceback.splitlines()[1].strip().endswith("in broken")


def test_a_builder_that_returns_no_model_is_told_so(folds):
    outcome = trained(folds, hypermodel=lambda hp: None)
    assert "returned NoneType. Expected a compiled keras.Model" in outcome.reason


def test_bad_declarations_are_no_failed_trial(folds):
    with pytest.raises(SpaceError, match="'units'"):
        trained(folds, hypermodel=lambda hp: hp.Int("units", 1, 5, default=9))


# What reaches fit


def tuned_all(hp):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    hp.Choice("batch_size", [8, 16, 32])
    hp.Int("epochs", 1, 5, default=2)
    optimizer = hp.Choice("optimizer", ["adam", "rmsprop"])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    kept.append(model)
    return model


def test_batch_size_epochs_and_optimizer_reach_fit(folds):
    host = Recording({"batch_size": 16, "epochs": 3, "optimizer": "rmsprop"})
    outcome = trained(folds, host, hypermodel=tuned_all, epochs=10)
    assert outcome.epochs == 3
    assert int(kept[0].optimizer.iterations) == 3 * 64 // 16
    assert type(kept[0].optimizer).__name__ == "RMSprop"


def test_the_batch_size_is_that_of_keras_where_nothing_is_said(folds):
    trained(folds, epochs=1)
    assert int(kept[0].optimizer.iterations) == 64 // 32


def own_fit(fit):
    """A HyperModel with `fit` as its own."""
    import keras_tuner as kt

    class Own(kt.HyperModel):
        def build(self, hp):
            return build(hp)

    Own.fit = fit
    return Own()


def test_the_kerastuner_idiom_for_batch_size(folds):
    host = Recording({"batch_size": 8})
    hypermodel = own_fit(
        lambda self, hp, model, *args, **kwargs: model.fit(*args, batch_size=hp.Choice("batch_size", [8, 16]), **kwargs)
    )
    outcome = trained(folds, host, hypermodel=hypermodel, epochs=2)
    assert outcome.state is TrialState.COMPLETE
    assert int(kept[0].optimizer.iterations) == 2 * 64 // 8
    assert host.asked == ["units", "learning_rate", "batch_size"]
    assert list(host.epochs) == [1, 2]


def test_a_batch_size_declared_in_build_is_passed_by_the_users_own_fit_alone(folds):
    """KerasTuner passes none, so `fit(..., batch_size=hp.get("batch_size"), **kwargs)` must not meet a second one."""
    import keras_tuner as kt

    class Own(kt.HyperModel):
        def build(self, hp):
            hp.Choice("batch_size", [8, 16])
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, batch_size=hp.get("batch_size"), **kwargs)

    outcome = trained(folds, Recording({"batch_size": 16}), hypermodel=Own(), epochs=2)
    assert outcome.state is TrialState.COMPLETE
    assert int(kept[0].optimizer.iterations) == 2 * 64 // 16


def test_a_fit_may_compute_the_objective_itself(folds):
    """As in KerasTuner's guide: train, predict, return one number to minimise."""

    def fit(self, hp, model, x, y, validation_data, **kwargs):
        model.fit(x, y, **kwargs)
        return float(np.mean(model.predict(validation_data[0], verbose=0)))

    outcome = trained(folds, hypermodel=own_fit(fit), objective=Objective("default_objective", "min"), epochs=3)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.score == pytest.approx(0.5)
    assert (outcome.epochs, outcome.best_epoch) == (3, 3)


def test_a_fit_may_return_a_dictionary(folds):
    fit = lambda self, hp, model, *args, **kwargs: {"cost": 1.5, "size": 3}  # noqa: E731
    outcome = trained(folds, hypermodel=own_fit(fit), objective=Objective("cost", "min"))
    assert (outcome.score, outcome.epochs, outcome.best_epoch) == (1.5, 1, 1)


def test_a_fit_that_drops_our_callbacks_is_scored_from_its_history(folds):
    def fit(self, hp, model, x, y, callbacks=None, **kwargs):
        return model.fit(x, y, **kwargs)

    outcome = trained(folds, hypermodel=own_fit(fit), epochs=3)
    values = outcome.history["val_loss"]
    assert outcome.score == min(values) == values[outcome.best_epoch - 1]
    assert outcome.epochs == 3


def test_a_fit_that_never_gives_the_objective_is_told_what_it_gave(folds):
    fit = lambda self, hp, model, *args, **kwargs: {"cost": 1.5}  # noqa: E731
    with pytest.raises(ObjectiveError, match=r"'val_loss' was never logged. Received metrics: cost"):
        trained(folds, hypermodel=own_fit(fit))


def test_a_fit_that_returns_nothing_is_told_so(folds):
    fit = lambda self, hp, model, *args, **kwargs: None  # noqa: E731
    with pytest.raises(ObjectiveError, match=r"returned NoneType.*return model.fit"):
        trained(folds, hypermodel=own_fit(fit))


def test_what_a_fit_may_return():
    from truetune.training.fit import as_history

    history = SimpleNamespace(history={"loss": [np.float32(2), 1]})
    assert as_history(history) == {"loss": [2.0, 1.0]}
    assert as_history(np.float64(0.5)) == {"default_objective": [0.5]}
    assert as_history([{"cost": 1}, {"cost": 2}]) == {"cost": [1.5]}
    assert as_history([history, history]) == {"loss": [1.0]}


# Preprocessing


class Centering:
    fitted_on: list = []  # noqa: RUF012

    def fit(self, X, y=None):
        self.fitted_on.append(len(X))
        self.mean = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.mean


def test_preprocessing_is_fitted_on_training_rows_only():
    from truetune.training.fit import preprocess

    Centering.fitted_on = []
    train = Dataset({"a": np.ones((6, 2)), "b": np.full((6, 1), 5.0)}, np.arange(6))
    test = Dataset({"a": np.full((3, 2), 9.0), "b": np.zeros((3, 1))}, np.arange(3))
    train, test = preprocess(Centering, train, test)
    assert Centering.fitted_on == [6, 6]
    assert (train.X["a"] == 0).all()
    assert (test.X["a"] == 8).all()
    assert (test.X["b"] == -5).all()


def test_without_preprocessing_the_data_stay_as_they_are():
    from truetune.training.fit import preprocess

    data = Dataset(np.ones((2, 1)), np.arange(2))
    assert preprocess(None, data)[0] is data
