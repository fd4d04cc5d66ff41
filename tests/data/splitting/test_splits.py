"""Parts are disjoint, by group where there are groups; every class is in training; the same seed splits the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Protocol
from truetune.data.splitting.splits import check_training_classes, given, holdout, imbalance, k_fold
from truetune.errors import DataError


def rows(n):
    return np.zeros((n, 2), dtype="float32")


def _holdout_unless_a_class_is_in_the_way(data, seed):
    try:
        return holdout(data, 0.2, seed)
    except DataError as error:
        if "no sample of class" not in str(error):
            raise
        return None


@st.composite
def grouped(draw):
    """Up to twelve subjects with up to eight rows each, of up to four classes."""
    sizes = draw(st.lists(st.integers(1, 8), min_size=2, max_size=12))
    groups = np.repeat([f"s{i}" for i in range(len(sizes))], sizes)
    labels = draw(st.lists(st.integers(0, draw(st.integers(1, 3))), min_size=len(groups), max_size=len(groups)))
    return Dataset(rows(len(groups)), np.array(labels), groups=groups)


@settings(max_examples=40)
@for_all(grouped(), st.integers(0, 1000))
def test_groups_never_cross_and_every_class_trains(data, seed):
    split = _holdout_unless_a_class_is_in_the_way(data, seed)
    if split is None:
        return
    assert split.by == "subject"
    assert sorted([*split.kept, *split.held]) == list(range(len(data)))
    assert len(split.kept)
    assert len(split.held)
    assert not set(data.groups[split.kept]) & set(data.groups[split.held])
    assert set(data.y[split.kept]) == set(data.y)
    again = holdout(data, 0.2, seed)
    assert (again.held == split.held).all()


@settings(max_examples=40)
@for_all(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.integers(0, 1000))
def test_rows_without_groups_are_split_by_row(labels, seed):
    data = Dataset(rows(len(labels)), np.array(labels))
    split = _holdout_unless_a_class_is_in_the_way(data, seed)
    if split is None:
        return
    assert split.by == "row"
    assert sorted([*split.kept, *split.held]) == list(range(len(data)))
    assert set(data.y[split.kept]) == set(data.y)
    assert (holdout(data, 0.2, seed).held == split.held).all()


@settings(max_examples=20)
@for_all(st.integers(2, 40), st.integers(0, 1000), st.booleans())
def test_regression_is_split_too(n, seed, by_group):
    groups = np.arange(n) // 2 if by_group and n >= 4 else None
    data = Dataset(rows(n), np.linspace(2, 3, n), groups=groups)
    split = holdout(data, 0.2, seed)
    assert sorted([*split.kept, *split.held]) == list(range(n))
    if groups is not None:
        assert not set(groups[split.kept]) & set(groups[split.held])


def test_classes_are_spread_over_both_parts():
    data = Dataset(rows(200), np.tile([0, 0, 0, 1], 50))
    split = holdout(data, 0.2, 0)
    assert len(split.held) == 40
    assert data.y[split.held].mean() == pytest.approx(0.25)


# Against scikit-learn's splitters with other seeds: a single draw is luck, so many data sets are averaged.

FEW = pytest.mark.filterwarnings("ignore:The least populated class in y has only")


def persons(seed, n_persons):
    """2 to 8 rows each of so many persons, of three classes; half of a person's rows have the person's own class."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_persons), rng.integers(2, 9, n_persons))
    of_person = rng.integers(0, 3, n_persons)[groups]
    labels = np.where(rng.random(len(groups)) < 0.5, of_person, rng.integers(0, 3, len(groups)))
    return Dataset(rows(len(groups)), labels, groups=groups)


def held_out(splitter, data):
    return [held for _, held in splitter.split(data.X, data.y, data.groups)]


def worst(data, parts):
    """The largest deviation of a class's share in any part; infinite where a part is empty."""
    return max(imbalance(data, part) if len(part) else np.inf for part in parts)


def other_seeds(seed):
    return range(1000 + 10 * seed, 1005 + 10 * seed)


@FEW
@pytest.mark.parametrize(
    ("by_group", "stratified", "plain"),
    [(True, StratifiedGroupKFold, GroupKFold), (False, StratifiedKFold, KFold)],
    ids=["groups", "rows"],
)
def test_folds_are_stratified_as_scikit_learn_does_it(by_group, stratified, plain):
    ours, theirs, unstratified = [], [], []
    for seed in range(60):
        data = persons(seed, 6 + seed % 7)
        data = data if by_group else Dataset(data.X, data.y)
        ours.append(worst(data, [split.held for split in k_fold(data, 4, seed)]))
        for make, found in ((stratified, theirs), (plain, unstratified)):
            found += [worst(data, held_out(make(4, shuffle=True, random_state=s), data)) for s in other_seeds(seed)]
    assert np.mean(ours) <= 1.05 * np.mean(theirs)
    assert np.mean(ours) <= 0.9 * np.mean(unstratified)


@FEW
def test_where_stratifying_leaves_a_fold_empty_folds_are_as_good_as_the_unstratified_ones():
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(5)
        sizes, of_person = np.array([6, 1, 3, 2, 7])[order], np.array([1, 0, 0, 0, 1])[order]
        data = Dataset(rows(19), np.repeat(of_person, sizes), groups=np.repeat(np.arange(5), sizes))
        assert np.isinf(worst(data, held_out(StratifiedGroupKFold(5, shuffle=True, random_state=seed), data)))
        ours = worst(data, [split.held for split in k_fold(data, 5, seed)])
        theirs = [worst(data, held_out(GroupKFold(5, shuffle=True, random_state=s), data)) for s in other_seeds(seed)]
        assert ours <= np.mean(theirs) + 1e-9


def flaws(data, kept, held):
    """What a holdout is chosen by: how far its size, and its classes' shares, are from what was asked for; None where
    it cannot be used.
    """
    if not len(kept) or not len(held) or set(data.y[kept]) != set(data.y):
        return None
    return abs(len(held) / len(data) - 0.2) / 0.2 + imbalance(data, held)


@pytest.mark.slow
@FEW
def test_a_holdout_of_groups_is_nearer_to_what_was_asked_for_than_one_draw_of_scikit_learns():
    ours, stratified, shuffled = [], [], []
    for seed in range(60):
        data = persons(seed, 6 + seed % 7)
        split = holdout(data, 0.2, seed)
        ours.append((flaws(data, split.kept, split.held), imbalance(data, split.held)))
        for other in other_seeds(seed):
            folds = StratifiedGroupKFold(5, shuffle=True, random_state=other)
            shuffles = GroupShuffleSplit(1, test_size=0.2, random_state=other)
            for splitter, found in ((folds, stratified), (shuffles, shuffled)):
                kept, held = next(splitter.split(data.X, data.y, data.groups))
                flaw = flaws(data, kept, held)
                found += [] if flaw is None else [(flaw, imbalance(data, held))]
    for theirs in (stratified, shuffled):
        assert (np.mean(ours, axis=0) <= 0.8 * np.mean(theirs, axis=0)).all()


def test_other_seeds_split_otherwise():
    data = Dataset(rows(40), np.arange(40) % 2, groups=np.arange(40) // 2)
    assert len({tuple(holdout(data, 0.2, seed).held) for seed in range(5)}) > 1


def test_one_subject_only_is_refused_with_the_way_out():
    data = Dataset(rows(10), np.arange(10) % 2, groups=np.full(10, "anna"))
    with pytest.raises(DataError, match=r"one subject \(.*anna.*\)\. Expected at least 3.*without groups"):
        holdout(data, 0.2, 0)


def test_two_subjects_fail_when_validation_is_split_off():
    data = Dataset(rows(8), np.tile([0, 1], 4), groups=np.repeat([1, 2], 4))
    development = data.take(holdout(data, 0.2, 0).kept)
    with pytest.raises(DataError, match=r"one subject"):
        Protocol().folds(development, 0)


def test_a_single_row_is_refused():
    with pytest.raises(DataError, match=r"1 rows cannot be split"):
        holdout(Dataset(rows(1), np.array([0.5])), 0.2, 0)


def test_a_class_of_one_subject_stays_in_training():
    labels = np.tile([0, 1], 20)
    labels[:4] = 2
    data = Dataset(rows(40), labels, groups=np.arange(40) // 4)
    for seed in range(10):
        assert 2 in data.y[holdout(data, 0.2, seed).kept]


def test_a_class_that_cannot_be_trained_is_named_with_its_subjects():
    data = Dataset(
        rows(4), np.array([0, 0, 1, 1]), groups=np.array(["a", "a", "b", "b"]), class_names=("calm", "focused")
    )
    with pytest.raises(DataError, match=r"no sample of class (calm|focused).*occur in (a|b) only"):
        holdout(data, 0.5, 0)
    with pytest.raises(DataError, match=r"focused"):
        check_training_classes(data, np.array([0, 1]))


def test_the_users_own_parts_are_kept():
    parts = np.array(["train"] * 6 + ["validation"] * 2 + ["test"] * 2)
    data = Dataset(rows(10), np.arange(10) % 2, parts=parts)
    test = given(data, "test")
    assert (test.held.tolist(), test.by) == ([8, 9], "given")
    (fold,) = Protocol().folds(data.take(test.kept), 0)
    assert (len(fold.train), len(fold.validation), fold.by) == (6, 2, "given")
    assert given(Dataset(rows(10), np.arange(10) % 2), "test") is None
    assert given(data.take(test.kept), "test") is None


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_users_own_parts_may_not_cut_a_group(part):
    subjects, trials = np.arange(12) // 4, np.arange(12) // 2
    parts = np.where(trials % 2, part, "train")
    data = Dataset(rows(12), np.arange(12) % 2, groups={"subject": subjects, "trial": trials}, parts=parts)
    with pytest.raises(DataError, match=rf"^The given part '{part}' .* rows of 3 subjects .* --groups NAME"):
        given(data, part)
    assert given(data.grouped_by("trial"), part).held.tolist() == [2, 3, 6, 7, 10, 11]
    assert given(data.with_independent_rows(), part).held.tolist() == [2, 3, 6, 7, 10, 11]


def test_a_validation_part_of_the_users_own_cannot_be_drawn_anew():
    data = Dataset(rows(10), np.arange(10) % 2, parts=np.repeat(["train", "validation"], 5))
    with pytest.raises(DataError, match=r"omit --reshuffle or the part 'validation'"):
        Protocol(reshuffle=True).folds(data, 0)


def test_all_rows_in_one_part_are_refused():
    with pytest.raises(DataError, match=r"Every row is in the part 'test'"):
        given(Dataset(rows(4), np.arange(4) % 2, parts=np.full(4, "test")), "test")


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_class_that_the_users_own_parts_never_train_is_refused(part):
    data = Dataset(rows(6), np.array([0, 1, 0, 1, 2, 2]), parts=np.array(["train"] * 4 + [part] * 2))
    with pytest.raises(DataError, match=r"no sample of class 2"):
        given(data, part)
