"""Weights of rows count as under plain Keras: in training, in validation, and wherever rows are measured."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import keras
import keras_tuner
import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.errors import DataError
from truetune.objective import Objective
from truetune.task import Task
from truetune.training.fit import fit_model, seed_everything
from truetune.training.folds.pooled import added, metrics_of, states_of_parts
from truetune.training.logged import numbers
from truetune.training.rows import epoch_order
from truetune.verification.retrain import metrics_on_test as measured_on
from truetune.verification.retrain import train_final

pytestmark = pytest.mark.tensorflow

ROWS, SEED, BATCH = 50, 3, 16
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4)).astype("float32")
LABELS = np.arange(ROWS) % 3
NUMBERS = RNG.normal(size=ROWS)
WEIGHTS = RNG.uniform(0.1, 5.0, ROWS)
WEIGHTS[::5] = 0.0
OTHER_WEIGHTS = RNG.uniform(0.1, 5.0, ROWS)
HP = SimpleNamespace(values={"batch_size": BATCH})
PLAIN = object()


def one_head():
    seed_everything(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3, "softmax")])
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return model


def two_heads():
    seed_everything(1)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, "tanh")(inputs)
    heads = {
        "emotion": keras.layers.Dense(3, "softmax", name="emotion")(hidden),
        "valence": keras.layers.Dense(1, name="valence")(hidden),
    }
    model = keras.Model(inputs, heads)
    model.compile(
        keras.optimizers.Adam(0.01),
        {"emotion": "sparse_categorical_crossentropy", "valence": "mse"},
        weighted_metrics={"emotion": ["accuracy"], "valence": ["mae"]},
    )
    return model


BOTH = {"emotion": LABELS, "valence": NUMBERS}
CASES = {
    "one head": (one_head, LABELS, WEIGHTS),
    "one column for two heads": (two_heads, BOTH, WEIGHTS),
    "a column for each head": (two_heads, BOTH, {"emotion": WEIGHTS, "valence": OTHER_WEIGHTS}),
    "integers": (one_head, LABELS, np.arange(ROWS) % 4),
}


def rows(columns, order):
    if isinstance(columns, dict):
        return {name: column[order] for name, column in columns.items()}
    return columns[order]


def variables(model):
    return [np.asarray(variable) for variable in (*model.variables, *model.optimizer.variables)]


def same(some, others):
    return all(np.array_equal(a, b) for a, b in zip(variables(some), variables(others), strict=True))


def trained(make, data, validation=None, epochs=1):
    model = make()
    history = fit_model(PLAIN, HP, model, data, validation, epochs=epochs, seed=SEED)
    return model, history


@pytest.mark.parametrize("case", CASES)
def test_an_epoch_is_that_of_keras_bit_for_bit(case):
    make, y, weights = CASES[case]
    ours, history = trained(make, Dataset(X, y, sample_weight=weights))
    plain, order = make(), epoch_order(SEED, 0, ROWS)
    logged = plain.fit(
        X[order], rows(y, order), sample_weight=rows(weights, order), batch_size=BATCH, shuffle=False, verbose=0
    )
    assert same(ours, plain)
    assert history["loss"] == logged.history["loss"]
    assert not same(ours, trained(make, Dataset(X, y))[0])


@pytest.mark.parametrize("case", ["one head", "one column for two heads"])
def test_rows_of_weight_zero_have_no_influence(case):
    make, y, weights = CASES[case]
    changed_x, nothing = X.copy(), weights == 0
    changed_x[nothing] = 100.0
    changed_y = {name: column.copy() for name, column in y.items()} if isinstance(y, dict) else {"": y.copy()}
    for column in changed_y.values():
        column[nothing] = 2
    data = Dataset(X, y, sample_weight=weights)
    other = replace(data, X=changed_x, y=changed_y if isinstance(y, dict) else changed_y[""])
    assert nothing.sum() == 10
    assert same(trained(make, data, epochs=3)[0], trained(make, other, epochs=3)[0])
    unweighted = [trained(make, replace(d, sample_weight=None), epochs=3)[0] for d in (data, other)]
    assert not same(*unweighted)


def test_validation_weighs_the_loss_and_weighted_metrics_but_not_metrics():
    data = Dataset(X, LABELS, sample_weight=WEIGHTS)
    model, history = trained(one_head, data.take(np.arange(30)), data.take(np.arange(30, ROWS)))
    x, y, weights = X[30:], LABELS[30:], WEIGHTS[30:]
    right = np.asarray(model.predict(x, verbose=0)).argmax(axis=1) == y
    probability = np.asarray(model.predict(x, verbose=0))[np.arange(20), y]
    assert history["val_accuracy"][0] == pytest.approx(right.mean())
    assert history["val_weighted_accuracy"][0] == pytest.approx((right * weights).sum() / weights.sum())
    assert history["val_loss"][0] == pytest.approx((-np.log(probability) * weights).mean(), rel=1e-5)
    assert history["val_accuracy"] != pytest.approx(history["val_weighted_accuracy"])


class OwnFit(keras_tuner.HyperModel):
    """Passes on what it is given, as KerasTuner's documentation has it."""

    given = None

    def fit(self, hp, model, *args, **kwargs):
        OwnFit.given = kwargs
        return model.fit(*args, **kwargs)


class Named(keras_tuner.HyperModel):
    def fit(self, hp, model, x, y, validation_data=None, sample_weight=None, callbacks=None, **_):
        return float(np.sum(sample_weight))


class WithoutWeights(keras_tuner.HyperModel):
    def fit(self, hp, model, x, y, validation_data=None, callbacks=None, epochs=1, initial_epoch=0, verbose=0):
        return model.fit(x, y, epochs=epochs, verbose=0)


def test_a_fit_of_ones_own_gets_them_as_keras_does():
    data = Dataset(X, LABELS, sample_weight=WEIGHTS)
    fit_model(OwnFit(), HP, one_head(), data, data.take(np.arange(5)), epochs=1, seed=SEED)
    assert OwnFit.given["sample_weight"].tolist() == WEIGHTS.tolist()
    assert OwnFit.given["validation_data"][2].tolist() == WEIGHTS[:5].tolist()
    history = fit_model(Named(), HP, one_head(), data, None, epochs=1, seed=SEED)
    assert history == {"default_objective": [pytest.approx(WEIGHTS.sum())]}


def test_a_fit_of_ones_own_without_weights_gets_what_it_always_got():
    data = Dataset(X, LABELS)
    fit_model(OwnFit(), HP, one_head(), data, data.take(np.arange(5)), epochs=1, seed=SEED)
    assert "sample_weight" not in OwnFit.given
    assert len(OwnFit.given["validation_data"]) == 2
    assert "loss" in fit_model(WithoutWeights(), HP, one_head(), data, None, epochs=1, seed=SEED)


def test_weights_are_never_dropped_in_silence():
    data = Dataset(X, LABELS, sample_weight=WEIGHTS)
    with pytest.raises(DataError, match=r"WithoutWeights\.fit takes no sample_weight.*`sample_weight=None`"):
        fit_model(WithoutWeights(), HP, one_head(), data, None, epochs=1, seed=SEED)


@keras.saving.register_keras_serializable("test_weighted_rows")
class OwnLoop(keras.Sequential):
    seen = None

    def fit(self, x, y, sample_weight=None, **kwargs):
        OwnLoop.seen = sample_weight
        return super().fit(x, y, sample_weight=sample_weight, **kwargs)


def test_a_model_class_with_a_fit_of_its_own_gets_them_too():
    model = OwnLoop([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    fit_model(PLAIN, HP, model, Dataset(X, LABELS, sample_weight=WEIGHTS), None, epochs=1, seed=SEED)
    assert OwnLoop.seen.tolist() == WEIGHTS.tolist()


@pytest.mark.parametrize("case", CASES)
def test_parts_added_up_are_what_keras_measures_on_all_rows(case):
    make, y, weights = CASES[case]
    model, data = make(), Dataset(X, y, sample_weight=weights)
    whole = numbers(model.evaluate(X, y, sample_weight=weights, batch_size=ROWS, verbose=0, return_dict=True))
    parts = np.split(np.random.default_rng(1).permutation(ROWS), [7, 30])
    pooled = metrics_of(model, added(states_of_parts(model, data, parts)))
    # In the loss of one head of several Keras counts every batch alike; see `folds.pooled`.
    exact = {name for name in whole if name not in ("emotion_loss", "valence_loss")}
    assert {n: pooled[n] for n in exact} == pytest.approx({n: whole[n] for n in exact}, rel=1e-5)
    unweighted = metrics_of(model, added(states_of_parts(model, replace(data, sample_weight=None), parts)))
    assert unweighted["loss"] != pytest.approx(whole["loss"], rel=1e-3)


def build(hp):
    hp.Fixed("batch_size", BATCH)
    return one_head()


def test_retraining_and_the_test_part_are_weighted():
    data = Dataset(X, LABELS, sample_weight=WEIGHTS)
    task = Task("weighted", build, data, Objective("val_weighted_accuracy", "max"), epochs=2)
    development, test = data.take(np.arange(35)), data.take(np.arange(35, ROWS))
    retrained = train_final(task, development, {"batch_size": BATCH}, epochs=2, seed=SEED)
    plain = one_head()
    order = [epoch_order(SEED, epoch, 35) for epoch in range(2)]
    for chosen in order:
        plain.fit(
            X[:35][chosen],
            LABELS[:35][chosen],
            sample_weight=WEIGHTS[:35][chosen],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
        )
    assert same(retrained.model, plain)
    expected = plain.evaluate(X[35:], LABELS[35:], sample_weight=WEIGHTS[35:], verbose=0, return_dict=True)
    assert measured_on(retrained, test) == pytest.approx(numbers(expected))
    assert measured_on(retrained, replace(test, sample_weight=None))["loss"] != pytest.approx(expected["loss"])
