"""Weights that no loss can be multiplied by are refused, with where and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Protocol
from truetune.data.weights import check_some_weight
from truetune.errors import DataError

N = 12
HEADS = {"emotion": np.arange(N) % 3, "valence": np.arange(N) % 2}


def data(sample_weight, y=None, **fields):
    X = np.arange(N * 2, dtype="float64").reshape(N, 2)
    return Dataset(X, np.arange(N) % 2 if y is None else y, sample_weight=sample_weight, **fields)


def changed(row, value):
    weights = np.ones(N)
    weights[row] = value
    return weights


@pytest.mark.parametrize(
    "weights",
    [np.ones(N), [1] * N, changed(3, 0.0), np.arange(N, dtype="int8"), np.arange(N) % 2 == 0, changed(0, 1e30)],
    ids=["ones", "a list", "one zero", "integers", "truth values", "large"],
)
def test_good_weights_pass(weights):
    data(weights).check()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(N - 1), r"sample_weight has 11 rows, but X has 12"),
        (changed(4, -0.5), r"negative in 1 of 12 rows, first -0\.5 in row 4\. Expected finite numbers of at least 0"),
        (changed(7, np.nan), r"first nan in row 7"),
        (changed(7, np.inf), r"first inf in row 7"),
        (np.zeros(N), r"sample_weight is 0 in all 12 rows of the data"),
        (np.ones((N, 1)), r"shape \(12, 1\)\. Expected one number per row"),
        (np.ones((N, 4)), r"weights of single pixels or time steps are not supported"),
        (1.0, r"shape \(\)\. Expected one number per row"),
        (["1"] * N, r"values of type <U1\. Expected numbers"),
        ([None] * N, r"values of type object"),
        ({"label": np.ones(N)}, r"mapping of label, and y is one array"),
        ({}, r"mapping of nothing, and y is one array"),
    ],
    ids=["length", "negative", "nan", "inf", "zero", "column", "2-d", "number", "text", "none", "mapping", "empty"],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(DataError, match=message):
        data(weights).check()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"emotion": np.ones(N)}, r"columns for emotion, and the outputs in y are emotion, valence"),
        ({**HEADS, "arousal": np.ones(N)}, r"columns for emotion, valence, arousal"),
        ({"emotion": np.ones(N), "valence": changed(2, -1)}, r"sample_weight of valence is NaN, infinite or negative"),
        ({"emotion": np.zeros(N), "valence": np.ones(N)}, r"sample_weight of emotion is 0 in all 12 rows"),
        ({"emotion": np.ones(N), "valence": np.ones(3)}, r"sample_weight of valence has 3 rows, but X has 12"),
    ],
    ids=["one missing", "unknown", "negative", "zero", "length"],
)
def test_each_head_has_one_good_column(weights, message):
    data({"emotion": np.ones(N), "valence": np.arange(N)}, HEADS).check()
    with pytest.raises(DataError, match=message):
        data(weights, HEADS).check()


def test_a_fold_whose_training_rows_all_weigh_nothing_is_refused():
    groups = np.repeat(["a", "b"], N // 2)
    of_a_alone = data(np.where(groups == "a", 1.0, 0.0), groups=groups)
    of_a_alone.check()
    with pytest.raises(DataError, match=r"0 in all 6 rows of the training part of fold a \(split by subject\)"):
        Protocol("leave-one-group-out").folds(of_a_alone, 0)


def test_a_fold_whose_validation_rows_all_weigh_nothing_is_refused():
    parts = np.repeat(["train", "validation"], N // 2)
    weights = np.where(parts == "train", 1.0, 0.0)
    with pytest.raises(DataError, match=r"validation part of fold 1 of 1 .* loss would be 0 whatever"):
        Protocol().folds(data(weights, parts=parts), 0)
    assert len(Protocol().folds(data(np.ones(N), parts=parts), 0)) == 1


def test_rows_without_weights_are_never_refused_for_them():
    check_some_weight(None, "a part")
    check_some_weight(np.ones(0), "an empty part")
