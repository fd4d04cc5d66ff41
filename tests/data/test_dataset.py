"""Data that cannot be trained on are refused with where and what; the fingerprint changes with the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.errors import DataError


def dataset(n=12, **changes):
    X = np.arange(n * 3, dtype="float32").reshape(n, 3)
    return replace(Dataset(X, np.arange(n) % 3, groups=np.arange(n) // 4), **changes)


def test_good_data_pass():
    dataset().check()
    dataset(class_names=("a", "b", "c"), identities={"trial": np.arange(12)}).check()
    dataset(y=np.linspace(0, 1, 12)).check()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_the_row(bad):
    data = dataset()
    data.X[7, 1] = data.X[9, 0] = bad
    with pytest.raises(DataError, match=r"X holds NaN or infinity in 2 of 12 rows, first in row 7"):
        data.check()


def test_nan_in_labels_and_in_one_of_several_inputs():
    with pytest.raises(DataError, match=r"y holds NaN"):
        dataset(y=np.full(12, np.nan)).check()
    with pytest.raises(DataError, match=r"second holds NaN"):
        dataset(X={"first": np.zeros(12), "second": np.full((12, 2), np.nan)}).check()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"y": np.zeros(11, dtype=int)}, "y has 11 rows, but X has 12"),
        ({"groups": np.zeros(13)}, "groups has 13 rows"),
        ({"identities": {"trial": np.zeros(1)}}, "trial has 1 rows"),
        ({"parts": np.array(["train"])}, "parts has 1 rows"),
        ({"X": {"a": np.zeros(12), "b": np.zeros(11)}}, "b has 11 rows"),
    ],
)
def test_lengths_that_differ_are_refused(changes, what):
    with pytest.raises(DataError, match=what):
        dataset(**changes).check()


@pytest.mark.parametrize(
    ("labels", "names", "what"),
    [
        ([-1, 0, 1], (), "from -1 to 1"),
        ([0, 1, 3], ("a", "b", "c"), r"from 0 to 3. Expected integers from 0 to 2 \(a, b, c\)"),
        ([2, 2, 2], (), "Every row has the label 2"),
    ],
)
def test_labels_outside_the_classes_are_refused(labels, names, what):
    with pytest.raises(DataError, match=what):
        dataset(y=np.tile(labels, 4), class_names=names).check()


def test_labels_as_text_are_refused_with_the_way_out():
    with pytest.raises(DataError, match=r"y holds text or objects, for example 'happy'.*class_names"):
        dataset(y=np.array(["happy", "sad"] * 6)).check()


def test_no_rows_and_no_arrays():
    with pytest.raises(DataError, match=r"no rows"):
        Dataset(np.zeros((0, 3)), np.zeros(0, dtype=int)).check()
    with pytest.raises(DataError, match=r"empty mapping"):
        Dataset({}, np.zeros(3, dtype=int)).check()


def test_a_main_output_that_does_not_exist_is_refused():
    y = {"valence": np.arange(12) % 2, "emotion": np.arange(12) % 3}
    with pytest.raises(DataError, match=r"'mood'. Expected one of the outputs in y: valence, emotion"):
        dataset(y=y, main_output="mood").check()


def test_a_part_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match=r"'dev'.*Expected one of train, validation, test"):
        dataset(parts=np.array(["train", "dev"] * 6)).check()


def test_the_main_output_decides_about_labels():
    y = {"valence": np.arange(12) % 2, "emotion": np.arange(12) % 3}
    assert dataset(y=y).labels is y["emotion"]
    assert dataset(y=y, main_output="valence").labels is y["valence"]


def test_take_carries_everything_along():
    data = dataset(
        X={"a": np.arange(12), "b": np.arange(12) * 2},
        identities={"trial": np.arange(12)},
        parts=np.array(["train", "test"] * 6),
    )
    taken = data.take(np.array([5, 1]))
    assert taken.X["b"].tolist() == [10, 2]
    assert taken.y.tolist() == [2, 1]
    assert taken.groups.tolist() == [1, 0]
    assert taken.identities["trial"].tolist() == [5, 1]
    assert taken.parts.tolist() == ["test", "test"]


def test_equal_data_have_equal_fingerprints():
    assert dataset().fingerprint() == dataset().fingerprint()
    wide = np.zeros((12, 6), dtype="float32")
    wide[:, ::2] = dataset().X
    assert dataset(X=wide[:, ::2]).fingerprint() == dataset().fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"X": dataset().X + 1e-3},
        {"X": dataset().X.astype("float64")},
        {"X": dataset().X[::-1]},
        {"X": {"X": dataset().X, "Z": np.zeros(12)}},
        {"y": (np.arange(12) + 1) % 3},
        {"groups": np.arange(12) // 3},
        {"groups": None},
        {"groups": np.array([f"s{i // 4}" for i in range(12)])},
        {"identities": {"trial": np.arange(12)}},
        {"identities": {"time": np.arange(12).astype("datetime64[s]")}},
        {"parts": np.array(["train", "test"] * 6)},
    ],
)
def test_the_fingerprint_changes_with_the_data(changes):
    assert dataset(**changes).fingerprint() != dataset().fingerprint()


def test_texts_are_told_apart_by_their_borders():
    one = dataset(groups=np.array(["ab", "c"] * 6, dtype=object))
    other = dataset(groups=np.array(["a", "bc"] * 6, dtype=object))
    assert one.fingerprint() != other.fingerprint()


def test_fingerprints_of_data_without_weights_are_those_of_earlier_studies():
    """As computed before data could have weights: a seal holds them, and a study opens by them."""
    assert dataset().fingerprint() == "7d8ee04a282ea891"
    X = np.arange(36, dtype="float32").reshape(12, 3)
    many = Dataset(
        {"a": X, "b": X[:, 0]},
        {"h": np.arange(12) % 3, "k": np.arange(12.0)},
        groups={"subject": np.repeat(["s", "t"], 6), "trial": np.arange(12)},
        identities={"t": np.arange(12)},
        parts=np.repeat(["train", "test"], 6),
    )
    assert many.fingerprint() == "accbadc98f99cf23"


def test_the_fingerprint_covers_the_weights():
    weights = np.ones(12)
    weights[3] = 2.0
    heads = {"y": {"a": np.arange(12) % 3, "b": np.arange(12) % 2}}
    found = [
        dataset(),
        dataset(sample_weight=np.ones(12)),
        dataset(sample_weight=weights),
        dataset(sample_weight=weights[::-1]),
        dataset(**heads, sample_weight=weights),
        dataset(**heads, sample_weight={"a": weights, "b": np.ones(12)}),
        dataset(**heads, sample_weight={"a": np.ones(12), "b": weights}),
    ]
    assert len({data.fingerprint() for data in found}) == len(found)


def test_rows_take_their_weights_along():
    weights = np.arange(12.0)
    rows = np.array([5, 2, 9])
    assert dataset(sample_weight=weights).take(rows).sample_weight.tolist() == [5, 2, 9]
    y = {"a": np.arange(12) % 3, "b": np.arange(12) % 2}
    by_head = dataset(y=y, sample_weight={"a": weights, "b": weights * 10}).take(rows)
    assert by_head.sample_weight["b"].tolist() == [50, 20, 90]
    trials = dataset(sample_weight=weights, identities={"trial": rows.repeat(4)}).grouped_by("trial")
    assert trials.sample_weight.tolist() == weights.tolist()


def test_one_column_weights_every_output():
    y = {"a": np.arange(12) % 3, "b": np.arange(12) % 2}
    data = dataset(y=y, sample_weight=np.arange(12.0))
    data.check()
    assert list(data.weights) == ["a", "b"]
    assert all(column.tolist() == list(range(12)) for column in data.weights.values())
    assert dataset(y=y).weights is None
    assert dataset(sample_weight=[1] * 12).weights.tolist() == [1] * 12
