"""Numbers are kept, and arrays have a name for each of their values."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.training.logged import numbers


def test_numbers_keep_their_names():
    found = numbers({"loss": np.float32(0.5), "accuracy": 1, "auc": np.array(0.25)})
    assert found == {"loss": 0.5, "accuracy": 1.0, "auc": 0.25}
    assert {type(value) for value in found.values()} == {float}


def test_each_value_of_an_array_has_a_name():
    found = numbers({"f1": np.array([0.1, 0.2]), "confusion": np.array([[1, 2], [3, 4]]), "one": np.array([7.0])})
    assert list(found.items()) == [
        ("f1[0]", 0.1),
        ("f1[1]", 0.2),
        ("confusion[0,0]", 1.0),
        ("confusion[0,1]", 2.0),
        ("confusion[1,0]", 3.0),
        ("confusion[1,1]", 4.0),
        ("one[0]", 7.0),
    ]


def test_a_mapping_is_taken_apart():
    assert numbers({"loss": 0.5, "both": {"recall": 0.25, "f1": np.array([0.1])}}) == {
        "loss": 0.5,
        "recall": 0.25,
        "f1[0]": 0.1,
    }


@pytest.mark.tensorflow
def test_tensors_are_numbers_and_arrays_too():
    import tensorflow as tf

    assert numbers({"loss": tf.constant(0.5), "f1": tf.Variable([0.25, 0.5])}) == {
        "loss": 0.5,
        "f1[0]": 0.25,
        "f1[1]": 0.5,
    }


@pytest.mark.tensorflow
def test_a_fit_of_ones_own_may_return_them():
    from truetune.training.fit import as_history

    class Logged:
        def __init__(self):
            self.history = {"loss": [2.0, 1.0], "f1": [np.array([0.1, 0.2]), np.array([0.3, 0.4])]}

    by_epoch = {"loss": [2.0, 1.0], "f1[0]": [0.1, 0.3], "f1[1]": [0.2, 0.4]}
    assert as_history(Logged()) == by_epoch
    assert as_history({"f1": np.array([0.1, 0.2])}) == {"f1[0]": [0.1], "f1[1]": [0.2]}
    assert as_history([Logged(), Logged()]) == {name: [values[-1]] for name, values in by_epoch.items()}
