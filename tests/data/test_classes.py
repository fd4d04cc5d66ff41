"""Classes are found in every form in which Keras' losses take them, and in nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.classes import class_numbers
from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Protocol
from truetune.errors import DataError

CLASSES = np.array([2, 0, 1, 1, 0, 2, 2])
YES = CLASSES > 0


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (CLASSES, CLASSES),
        (CLASSES.astype("uint8")[:, None], CLASSES),
        (np.eye(3)[CLASSES], CLASSES),
        (np.eye(3, dtype="int8")[CLASSES], CLASSES),
        (np.eye(3, dtype=bool)[CLASSES], CLASSES),
        (YES, YES),
        (YES.astype("float32"), YES),
        (YES.astype("float32")[:, None], YES),
        (np.array([-1, 1, 1]), np.array([-1, 1, 1])),  # refused by name later
    ],
    ids=[
        "integers",
        "column",
        "one-hot",
        "one-hot integers",
        "one-hot bool",
        "bool",
        "floats",
        "float column",
        "negative",
    ],
)
def test_classes(y, expected):
    found = class_numbers(y)
    assert found.shape == (len(y),)
    assert np.issubdtype(found.dtype, np.integer)
    assert found.tolist() == expected.astype(int).tolist()


@pytest.mark.parametrize(
    "y",
    [
        np.array([0.0, 1.0, 2.0]),
        np.array([0.0, np.nan, 1.0]),
        np.array([[3], [-1], [2]]),
        np.array([[0, 1], [1, 1]]),  # several at once
        np.array([[0, 1], [0, 0]]),
        np.array([[0.1, 0.9], [1.0, 0.0]]),
        np.zeros((3, 4, 4), int),
        np.array(["a", "b"]),
        np.array([["a"], ["b"]]),
        np.array([1 + 2j, 3]),
        np.zeros((0, 1)),
    ],
    ids=[
        "numbers",
        "gaps",
        "negative",
        "several",
        "none",
        "soft",
        "masks",
        "text",
        "column of text",
        "complex",
        "empty",
    ],
)
def test_no_classes(y):
    assert class_numbers(y) is None


@pytest.mark.parametrize("protocol", [Protocol("holdout"), Protocol("k-fold", 4)])
def test_splits_are_those_of_the_same_classes_as_integers(protocol):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    X = rng.normal(size=(100, 3))
    in_all_forms = [Dataset(X, y) for y in (labels, labels[:, None], np.eye(3)[labels])]
    splits = [protocol.folds(dataset, 3) for dataset in in_all_forms]
    for plain, *others in zip(*splits, strict=True):
        assert np.bincount(labels[plain.validation], minlength=3).min() > 0
        for other in others:
            np.testing.assert_array_equal(plain.validation, other.validation)


def test_one_hot_labels_are_checked_as_integers_are():
    X = np.arange(4.0)[:, None]
    with pytest.raises(DataError, match="Every row has the label 1"):
        Dataset(X, np.eye(2)[[1, 1, 1, 1]]).check()
    with pytest.raises(DataError, match=r"Labels run from 0 to 2. Expected integers from 0 to 1 \(no, yes\)"):
        Dataset(X, np.eye(3)[[0, 1, 2, 1]], class_names=("no", "yes")).check()
