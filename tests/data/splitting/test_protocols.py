"""Folds keep every level together, hold every row once, are stratified as scikit-learn does it, and are drawn again."""

from __future__ import annotations

import cloudpickle
import numpy as np
import pytest
from hypothesis import assume, settings
from hypothesis import given as for_all
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import PROTOCOLS, Protocol, describe
from truetune.data.splitting.splits import k_fold
from truetune.errors import DataError, InputError

LEVELS = ("subject", "session", "trial")
GROUPED = [
    *PROTOCOLS,
    GroupKFold(3),
    StratifiedGroupKFold(3, shuffle=True),
    GroupShuffleSplit(4, test_size=0.3),
]


@st.composite
def levelled(draw):
    """Three to eight subjects with up to three sessions of up to three trials of up to three rows."""
    rows = []
    for subject in range(draw(st.integers(3, 8))):
        for session in range(draw(st.integers(1, 3))):
            for trial in range(draw(st.integers(1, 3))):
                rows += [(f"s{subject}", session, trial)] * draw(st.integers(1, 3))
    columns = dict(zip(LEVELS, map(np.array, zip(*rows, strict=True)), strict=True))
    labels = draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    return Dataset(np.arange(len(rows))[:, None].astype(float), np.array(labels), groups=columns)


def drawn(protocol, data, seed):
    try:
        return protocol.folds(data, seed)
    except DataError as error:
        if "no sample of class" not in str(error):
            raise
        assume(False)


@pytest.mark.parametrize("what", GROUPED, ids=repr)
@settings(max_examples=25)
@for_all(levelled(), st.sampled_from(LEVELS), st.integers(0, 1000))
def test_no_id_of_the_level_or_a_finer_one_is_on_both_sides(what, data, level, seed):
    folds = drawn(Protocol.of(what, 3), data.grouped_by(level), seed)
    for fold in folds:
        assert fold.by == level
        for name in LEVELS[LEVELS.index(level) :]:
            ids = data.levels[name]
            assert not set(ids[fold.train]) & set(ids[fold.validation])


@pytest.mark.parametrize("what", GROUPED, ids=repr)
@settings(max_examples=20)
@for_all(levelled(), st.integers(0, 1000))
def test_the_same_seed_draws_the_same_folds_in_every_process(what, data, seed):
    protocol = Protocol.of(what, 3)
    elsewhere = cloudpickle.loads(cloudpickle.dumps(protocol))
    assert elsewhere == protocol
    assert elsewhere.to_config() == protocol.to_config()
    for one, two in zip(drawn(protocol, data, seed), drawn(elsewhere, data, seed), strict=True):
        assert one.name == two.name
        np.testing.assert_array_equal(one.train, two.train)
        np.testing.assert_array_equal(one.validation, two.validation)


@pytest.mark.parametrize("name", ["k-fold", "leave-one-group-out"])
@settings(max_examples=25)
@for_all(levelled(), st.integers(0, 1000))
def test_every_row_is_validated_once_and_trained_on_in_the_other_folds(name, data, seed):
    folds = Protocol(name, 3).folds(data, seed)
    assert sorted(row for fold in folds for row in fold.validation) == list(range(len(data)))
    for fold in folds:
        assert len(fold.validation)
        assert sorted([*fold.train, *fold.validation]) == list(range(len(data)))
        assert (np.diff(fold.train) > 0).all()


def test_no_fold_is_empty_where_scikit_learn_leaves_one_empty():
    sizes = [6, 1, 3, 2, 7]
    data = Dataset(np.zeros((19, 1)), np.repeat([1, 0, 0, 0, 1], sizes), groups=np.repeat(np.arange(5), sizes))
    theirs = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(data.X, data.y, data.groups))
    assert min(len(held) for _, held in theirs) == 0
    assert [len(np.unique(data.groups[split.held])) for split in k_fold(data, 5, 0)] == [1] * 5


def test_a_group_left_out_gives_the_fold_its_name():
    data = Dataset(np.zeros((6, 1)), np.arange(6) % 2, groups=np.repeat(["anna", "bob", "cleo"], 2))
    assert [fold.name for fold in Protocol("leave-one-group-out").folds(data, 0)] == ["anna", "bob", "cleo"]


# Of the user's own


def rows(n=12, groups=None):
    return Dataset(np.arange(n)[:, None].astype(float), np.arange(n) % 2, groups=groups)


def test_the_folds_are_those_of_the_splitter():
    data = rows(groups=np.arange(12) // 2)
    theirs = list(GroupKFold(3).split(data.X, data.y, data.groups))
    ours = Protocol.of(GroupKFold(3)).folds(data, 0)
    assert [fold.name for fold in ours] == ["1 of 3", "2 of 3", "3 of 3"]
    for fold, (kept, held) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(fold.train, kept)
        np.testing.assert_array_equal(fold.validation, held)
    assert describe(ours) == "12 rows train and validate in 3 folds by subject (4 validate in each)"


def test_what_is_recorded():
    assert Protocol.of(KFold(4)).to_config() == {"name": "KFold(n_splits=4, random_state=None, shuffle=False)"}
    assert Protocol.of("k-fold", 4).to_config() == {"name": "k-fold", "folds": 4}
    assert Protocol.of(KFold(4)) == Protocol.of(KFold(4))
    assert Protocol.of(KFold(4)) != Protocol.of(KFold(3))
    kept = Protocol("k-fold")
    assert Protocol.of(kept) is kept
    assert Protocol.of(Halves()).name == f"{__name__}.Halves"


class Halves:
    """A splitter without scikit-learn, that says nothing of itself."""

    def __init__(self, *folds):
        self.folds = folds

    def split(self, X, y=None, groups=None):
        half = len(X) // 2
        yield from self.folds or [(np.arange(half), np.arange(half, len(X)))]


def test_any_object_that_splits_will_do():
    (fold,) = Protocol.of(Halves()).folds(rows(), 0)
    assert (fold.validation.tolist(), fold.by, fold.name) == ([6, 7, 8, 9, 10, 11], "row", "1 of 1")


@pytest.mark.parametrize("splitter", [ShuffleSplit(2), KFold(3, shuffle=True)], ids=repr)
def test_a_splitter_without_a_random_state_follows_the_seed(splitter):
    protocol = Protocol.of(splitter)
    first, again, other = (protocol.folds(rows(40), seed)[0].validation.tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert splitter.random_state is None


def test_a_random_state_that_moves_on_is_left_where_it_is():
    protocol = Protocol.of(ShuffleSplit(2, random_state=np.random.RandomState(3)))
    assert protocol.name == "sklearn.model_selection._split.ShuffleSplit"
    assert protocol.folds(rows(40), 1)[0].validation.tolist() == protocol.folds(rows(40), 2)[0].validation.tolist()


def test_a_splitter_that_never_repeats_itself_is_refused():
    class Random(Halves):
        def split(self, X, y=None, groups=None):
            order = np.random.default_rng().permutation(len(X))
            yield order[:20], order[20:]

    with pytest.raises(DataError, match=r"Random draws different folds each time\. .* set its random state"):
        Protocol.of(Random()).folds(rows(40), 0)


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (([0, 1, 2], [2, 3]), r"Fold 1 of .*Halves has 1 rows in both parts, first row 2\."),
        (([0, 1], []), r"returns array\(\[\], dtype=float64\) as a part of 12 rows"),
        (
            ([0, 1], [12]),
            r"returns array\(\[12\]\) as a part of 12 rows\. Expected at least one row number, all different",
        ),
        (([0, 0], [1]), r"returns array\(\[0, 0\]\)"),
        (([0, 2], [1, 3]), r"no sample of class 1"),
    ],
    ids=["overlap", "empty", "outside", "twice", "class"],
)
def test_parts_that_cannot_be_are_refused(fold, message):
    with pytest.raises(DataError, match=message):
        Protocol.of(Halves(fold)).folds(rows(), 0)


def test_a_splitter_that_cuts_groups_is_refused():
    data = rows(groups=np.arange(12) // 4)
    with pytest.raises(DataError, match=r"^Fold 1 .* rows of 1 subjects in both parts, first 1\. .* GroupKFold"):
        Protocol.of(KFold(2)).folds(data, 0)
    assert len(Protocol.of(KFold(3)).folds(data, 0)) == 3


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (GroupKFold(3), r"GroupKFold\(.*\) cannot split 12 rows without groups: .*groups.* Use another splitter"),
        (StratifiedKFold(7), r"cannot split 12 rows"),
        (TimeSeriesSplit(20), r"cannot split 12 rows"),
        (PredefinedSplit(np.full(12, -1)), r"draws no folds"),
    ],
    ids=repr,
)
def test_a_splitter_that_cannot_is_refused(splitter, message):
    with pytest.raises(DataError, match=message):
        Protocol.of(splitter).folds(rows(), 0)


# Bad input


@pytest.mark.parametrize("what", ["kfold", "", None, 5, [1]])
def test_a_protocol_that_does_not_exist(what):
    with pytest.raises(InputError, match=r"Expected one of:? holdout, k-fold, leave-one-group-out"):
        Protocol.of(what)


def test_a_class_in_place_of_a_splitter():
    with pytest.raises(InputError, match=r"is the class GroupKFold\. Expected an instance.* GroupKFold\("):
        Protocol.of(GroupKFold)


def test_too_few_folds_or_groups_and_something_to_reshuffle():
    with pytest.raises(InputError, match=r"1 folds were given\. Expected at least 2"):
        Protocol("k-fold", 1)
    with pytest.raises(DataError, match=r"There are 3 subjects for 4 folds"):
        Protocol("k-fold", 4).folds(rows(groups=np.arange(12) // 4), 0)
    with pytest.raises(DataError, match=r"There are 12 rows for 13 folds"):
        Protocol("k-fold", 13).folds(rows(), 0)
    with pytest.raises(DataError, match=r"needs rows of at least 2 groups"):
        Protocol("leave-one-group-out").folds(rows(), 0)
    for what in ("k-fold", KFold(3)):
        with pytest.raises(InputError, match=r"--reshuffle was given with the protocol"):
            Protocol.of(what, reshuffle=True)
