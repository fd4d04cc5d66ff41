"""The order of training rows follows from trial seed and epoch, and Keras trains in that order."""

from __future__ import annotations

import random

import numpy as np
import pytest

from truetune.data.dataset import Dataset

pytestmark = pytest.mark.tensorflow


def rows(n=10, batch_size=4, seed=1, data=None):
    from truetune.training.rows import OrderedRows

    return OrderedRows(data or Dataset(np.arange(n, dtype="float64")[:, None], np.arange(n)), batch_size, seed)


def epoch(made, number):
    made.on_epoch_begin(number)
    return [y.numpy().tolist() for _, y in made.batches]


def test_every_row_comes_once_an_epoch():
    batches = epoch(rows(), 0)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(row for batch in batches for row in batch) == list(range(10))


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(8, 4, [4, 4]), (3, 8, [3]), (1, 1, [1]), (5, 2, [2, 2, 1])])
def test_the_last_batch_holds_what_is_left(n, batch_size, sizes):
    made = rows(n, batch_size)
    assert [len(batch) for batch in epoch(made, 0)] == sizes
    assert int(made.batches.cardinality()) == len(sizes)


def test_the_order_differs_between_epochs_and_trials_and_can_be_repeated():
    made = rows()
    first, second = epoch(made, 0), epoch(made, 1)
    assert first != second
    assert epoch(made, 0) == first
    assert epoch(rows(seed=2), 0) != first
    assert epoch(rows(), 1) == second


def test_rows_stay_together_in_nested_data():
    data = Dataset({"a": np.arange(6.0), "b": np.arange(6) * 10}, {"head": np.arange(6), "other": np.arange(6) * 2})
    made = rows(data=data, batch_size=4)
    made.on_epoch_begin(0)
    for x, y in made.batches:
        assert x["a"].dtype == "float32"
        assert (x["b"].numpy() == y["head"].numpy() * 10).all()
        assert (y["other"].numpy() == y["head"].numpy() * 2).all()


def test_global_generators_start_anew_in_each_epoch():
    made = rows()
    made.on_epoch_begin(3)
    drawn = random.random(), np.random.random()
    made.on_epoch_begin(4)
    assert (random.random(), np.random.random()) != drawn
    made.on_epoch_begin(3)
    assert (random.random(), np.random.random()) == drawn


def test_keras_trains_in_that_order():
    import keras

    from truetune.training.rows import epoch_order

    seen = []

    class Watching(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

        def train_step(self, data):
            seen.append(data[1].numpy().tolist())
            return super().train_step(data)

    model = Watching()
    model.compile("sgd", "mse", run_eagerly=True)
    made = rows()
    model.fit(made.batches, epochs=3, initial_epoch=1, verbose=0, shuffle=False, callbacks=[made])
    expected = [*epoch_order(1, 1, 10), *epoch_order(1, 2, 10)]
    assert [row for batch in seen for row in batch] == expected
