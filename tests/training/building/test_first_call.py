"""Models without an input layer, lazily built and half-built ones, as people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import truetune

pytestmark = pytest.mark.tensorflow

X = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
DATA = truetune.Dataset(X, X[:, 0])
PAIR = truetune.Dataset({"left": X, "right": X[:, :2].copy()}, X[:, 0])


def without_input(hp: Any) -> Any:
    import keras

    model = keras.Sequential([keras.layers.Dense(hp.Int("units", 4, 8)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def subclassed(hp: Any) -> Any:
    import keras

    class Net(keras.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.hidden, self.out = keras.layers.Dense(units), keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.out(self.hidden(x))

    model = Net(hp.Int("units", 4, 8))
    model.compile("adam", "mse")
    return model


def half_built(hp: Any) -> Any:
    import keras

    class Half(keras.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.body = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
            self.heads = [keras.layers.Dense(1)]

        def call(self, x: Any, training: bool = False) -> Any:
            return self.heads[0](self.body(x, training=training))

    model = Half(hp.Int("units", 4, 8))
    model.compile("adam", "mse")
    return model


def of_two_inputs(hp: Any) -> Any:
    import keras

    class Pair(keras.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.left, self.right, self.out = (keras.layers.Dense(n) for n in (units, units, 1))

        def call(self, x: Any) -> Any:
            return self.out(self.left(x["left"]) + self.right(x["right"]))

    model = Pair(hp.Int("units", 4, 8))
    model.compile("adam", "mse")
    return model


def with_a_layer_made_in_build(hp: Any) -> Any:
    import keras

    class Late(keras.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = units

        def build(self, shape: Any) -> None:
            self.out = keras.layers.Dense(1)
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")
            self.out.build((*shape[:-1], shape[-1]))

        def call(self, x: Any) -> Any:
            return self.out(x * self.scale)

    model = Late(hp.Int("units", 4, 8))
    model.compile("adam", "mse")
    return model


def nested_without_input(hp: Any) -> Any:
    import keras

    inner = keras.Sequential([keras.layers.Dense(hp.Int("units", 4, 8)), keras.layers.BatchNormalization()])
    model = keras.Sequential([inner, keras.layers.Dropout(0.2), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def that_asks_how_many_rows_it_gets(hp: Any) -> Any:
    import keras

    class Counts(keras.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.hidden, self.out = keras.layers.Dense(units), keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.out(keras.ops.reshape(self.hidden(x), (-1, self.hidden.units))) * (1.0 + 0.0 * x.shape[1])

    model = Counts(hp.Int("units", 4, 8))
    model.compile("adam", "mse")
    return model


def with_its_own_step(hp: Any) -> Any:
    """No `call`: two parts and a `train_step`, as a GAN has them."""
    import keras
    import tensorflow as tf

    class Steps(keras.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.part = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1)])
            self.seen = keras.metrics.Mean(name="error")

        @property
        def metrics(self) -> list[Any]:
            return [self.seen]

        def train_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            with tf.GradientTape() as tape:
                error = tf.reduce_mean((self.part(x)[:, 0] - y) ** 2)
            variables = self.part.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(error, variables), variables, strict=True))
            self.seen.update_state(error)
            return {"error": self.seen.result()}

        def test_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            self.seen.update_state(tf.reduce_mean((self.part(x)[:, 0] - y) ** 2))
            return {"error": self.seen.result()}

    model = Steps(hp.Int("units", 4, 8))
    model.compile("adam")
    return model


CASES: list[tuple[Callable[[Any], Any], Any, str]] = [
    (without_input, DATA, "val_loss"),
    (subclassed, DATA, "val_loss"),
    (half_built, DATA, "val_loss"),
    (of_two_inputs, PAIR, "val_loss"),
    (with_a_layer_made_in_build, DATA, "val_loss"),
    (nested_without_input, DATA, "val_loss"),
    (that_asks_how_many_rows_it_gets, DATA, "val_loss"),
    (with_its_own_step, DATA, "val_error"),
]


@pytest.mark.parametrize(("build", "data", "objective"), CASES, ids=[case[0].__name__ for case in CASES])
@pytest.mark.parametrize("protocol", ["holdout", "k-fold"])
def test_models_without_input_layer_are_tuned(
    build: Callable[[Any], Any], data: Any, objective: str, protocol: str, tmp_path: Any
) -> None:
    task = truetune.Task("late", build, data, truetune.Objective(objective, "min"), epochs=2)

    result = truetune.tune(task, max_trials=2, finalists=0, protocol=protocol, folds=2, directory=tmp_path, workers=0)

    assert [trial.state.value for trial in result.trials] == ["complete", "complete"]
    assert all(trial.parameters > 0 for trial in result.trials)
    assert result.best_weights is not None or protocol == "k-fold"


def test_a_model_that_is_shown_rows_begins_with_the_weights_that_keras_gives_it() -> None:
    import keras

    from truetune.training.building.first_call import is_built, show_rows
    from truetune.training.fit import seed_everything

    def model(shown: bool) -> Any:
        seed_everything(7)
        made = keras.Sequential([keras.layers.Dense(3), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        made.compile("sgd", "mse")
        assert not is_built(made)
        if shown:
            assert show_rows(made, DATA) == ""
            assert is_built(made)
        made.fit(X[:64], X[:64, 0], epochs=1, shuffle=False, verbose=0)
        return made.get_weights()

    for shown, plain in zip(model(True), model(False), strict=True):
        np.testing.assert_array_equal(shown, plain)


def test_a_model_that_cannot_be_shown_rows_says_so_and_is_trained_all_the_same(tmp_path: Any) -> None:
    import keras

    def build(hp: Any) -> Any:
        class Inside(keras.Model):
            def __init__(self, units: int) -> None:
                super().__init__()
                self.hidden, self.out = keras.layers.Dense(units), keras.layers.Dense(1)

            def call(self, x: Any) -> Any:
                return self.out(self.hidden(x["halved"]))

            def train_step(self, data: Any) -> Any:
                x, y = data
                return super().train_step(({"halved": x / 2}, y))

            def test_step(self, data: Any) -> Any:
                x, y = data
                return super().test_step(({"halved": x / 2}, y))

        model = Inside(hp.Int("units", 4, 8))
        model.compile("adam", "mse")
        return model

    noted: list[str] = []

    class Hears(truetune.Observer):
        def note(self, line: str) -> None:
            noted.append(line)

    task = truetune.Task("inside", build, DATA, truetune.Objective("val_loss", "min"), epochs=1)
    result = truetune.tune(task, max_trials=2, finalists=0, directory=tmp_path, workers=0, observer=Hears())

    assert [trial.state.value for trial in result.trials] == ["complete", "complete"]
    assert any(
        "Inside makes its weights only while" in line and "starts again from its beginning" in line for line in noted
    )
