"""The same row on both sides of a split is refused and shown; rows that are nearly the same are said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from truetune.data.checks.leaks import check_folds, check_identical, near_identical
from truetune.data.checks.row_hashes import HashedRows
from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Protocol
from truetune.errors import DataError

KEPT, HELD = np.arange(80), np.arange(80, 100)


def noise(n_features=4, n=100, seed=0, shape=None):
    X = np.random.default_rng(seed).normal(size=(n, *(shape or (n_features,))))
    return Dataset(X.astype("float32"), np.arange(n) % 2)


def test_rows_that_differ_are_fine():
    data = noise()
    check_identical(HashedRows.of(data), KEPT, HELD, "the test part")
    check_folds(HashedRows.of(data), Protocol("k-fold", 5).folds(data, 0))


def test_a_row_twice_is_shown_with_its_group_and_class():
    data = noise()
    data.X[90] = data.X[7]
    groups = np.repeat(["anna", "bob"], 50)
    named = Dataset(data.X, data.y, groups=groups, class_names=("calm", "focused"))
    match = (
        r"^1 row of the test part .*: row 90 \(group bob, class calm\) = row 7 \(group anna, class focused\)\. "
        r".*Drop one of each pair, or give both the same group\.$"
    )
    with pytest.raises(DataError, match=match):
        check_identical(HashedRows.of(named), KEPT, HELD, "the test part")


def test_three_pairs_are_shown_and_the_others_counted():
    data = noise()
    data.X[80:90] = data.X[10:20]
    with pytest.raises(DataError, match=r"^10 rows .* row 82 \(class 0\) = row 12 \(class 0\); and 7 more\."):
        check_identical(HashedRows.of(data), KEPT, HELD, "the test part")


def test_rows_have_the_numbers_of_the_data_they_were_taken_from():
    data = noise()
    data.X[90] = data.X[7]
    with pytest.raises(DataError, match=r"row 1090 \(class 0\) = row 1007"):
        check_identical(replace(HashedRows.of(data), numbers=np.arange(1000, 1100)), KEPT, HELD, "the test part")


def test_labels_that_are_numbers_are_shown_and_vectors_are_not():
    data = noise()
    data.X[90] = data.X[7]
    with pytest.raises(DataError, match=r"row 90 \(label 9\) = row 7 \(label 0\.7\)\."):
        check_identical(HashedRows.of(Dataset(data.X, np.arange(100) / 10)), KEPT, HELD, "the test part")
    with pytest.raises(DataError, match=r"row 90 = row 7\."):
        check_identical(HashedRows.of(Dataset(data.X, np.zeros((100, 2)))), KEPT, HELD, "the test part")


def test_every_input_must_agree():
    left, right = noise().X, noise(seed=1).X.copy()
    left[90] = left[7]
    data = Dataset({"left": left, "right": right}, np.arange(100) % 2)
    check_identical(HashedRows.of(data), KEPT, HELD, "the test part")
    right[90] = right[7]
    with pytest.raises(DataError, match=r"row 90"):
        check_identical(HashedRows.of(data), KEPT, HELD, "the test part")


def test_a_row_twice_on_one_side_is_fine():
    data = noise()
    data.X[6] = data.X[7]
    check_identical(HashedRows.of(data), KEPT, HELD, "the test part")


@settings(max_examples=30)
@for_all(st.lists(st.integers(0, 12), min_size=6, max_size=20), st.integers(0, 99))
def test_folds_are_refused_exactly_when_a_value_is_on_both_sides(values, seed):
    data = Dataset(np.array(values)[:, None], np.linspace(0, 1, len(values)))
    folds = Protocol("k-fold", 3).folds(data, seed)
    if any(set(data.X[f.train, 0]) & set(data.X[f.validation, 0]) for f in folds):
        with pytest.raises(DataError, match=r"of the validation part of fold \d of 3 with the same"):
            check_folds(HashedRows.of(data), folds)
    else:
        check_folds(HashedRows.of(data), folds)


def test_the_users_own_parts_are_no_exception():
    data = noise()
    data.X[90] = data.X[7]
    parts = np.repeat(["train", "validation"], [80, 20])
    given = Dataset(data.X, data.y, parts=parts)
    with pytest.raises(DataError, match=r"^1 row of the validation part with the same"):
        check_folds(HashedRows.of(given), Protocol().folds(given, 0))


def test_splits_that_are_drawn_later_are_looked_at_where_rows_are_identical():
    data, protocol = noise(), Protocol("k-fold", 3)
    data.X[90] = data.X[7]
    drawn = [protocol.folds(data, seed) for seed in range(20)]
    together = [any({7, 90} <= set(fold.validation) for fold in folds) for folds in drawn]
    own, apart = drawn[together.index(True)], drawn[together.index(False)]
    check_folds(HashedRows.of(data), own)
    check_folds(HashedRows.of(data), own, fresh=[own])
    with pytest.raises(DataError, match=r"^1 row of the validation part of a split that will be drawn later"):
        check_folds(HashedRows.of(data), own, fresh=[own, apart])

    def never():
        raise AssertionError("no rows are identical")
        yield

    check_folds(HashedRows.of(noise()), own, fresh=never())


# Rows that are nearly the same


@pytest.mark.parametrize("shape", [(3,), (150,), (20, 30)], ids=["few", "many", "projected"])
def test_copies_with_a_little_noise_are_said(shape):
    data = noise(shape=shape)
    data.X[80:85] = data.X[:5] + np.float32(1e-4)
    assert "5 of 20 validation rows" in near_identical(data, KEPT, HELD)


@pytest.mark.parametrize("shape", [(2,), (3,), (150,), (20, 30)])
@pytest.mark.parametrize("seed", range(3))
def test_independent_rows_are_not(shape, seed):
    data = noise(shape=shape, n=3000, seed=seed)
    assert near_identical(data, np.arange(2400), np.arange(2400, 3000)) is None


def test_the_scale_of_features_does_not_matter():
    data = noise()
    data.X[80:85] = data.X[:5] + np.float32(1e-4)
    scaled = Dataset(data.X * np.array([1, 1e6, 1e-6, 10], dtype="float32"), data.y)
    assert near_identical(scaled, KEPT, HELD) == near_identical(data, KEPT, HELD)


def test_one_near_row_is_chance():
    data = noise()
    data.X[80] = data.X[0] + np.float32(1e-4)
    assert near_identical(data, KEPT, HELD) is None


def test_rows_of_few_values_are_never_near():
    """Where most rows are equal to others, the usual distance is 0."""
    X = np.random.default_rng(0).integers(0, 2, (100, 3))
    assert near_identical(Dataset(X, np.arange(100) % 2), KEPT, HELD) is None


def test_one_feature_text_or_one_row_say_nothing():
    values = np.linspace(0, 1, 100)
    assert near_identical(Dataset(values[:, None], np.arange(100) % 2), KEPT, HELD) is None
    text = np.array([["a", "b"]] * 100)
    assert near_identical(Dataset(text, np.arange(100) % 2), KEPT, HELD) is None
    assert near_identical(noise(), KEPT[:1], HELD) is None


def test_of_many_rows_some_are_looked_at(monkeypatch):
    monkeypatch.setattr("truetune.data.checks.leaks.MOST_VALUES", 40)
    data = noise()
    data.X[80:] = data.X[:20] + np.float32(1e-4)
    assert near_identical(data, KEPT[:10], HELD[:10]).startswith("10 of 10 ")
    assert near_identical(data, KEPT[:20], HELD).endswith("the same group.")
    assert " of 10 " in near_identical(data, KEPT[:20], HELD)
