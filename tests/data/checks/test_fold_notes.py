"""What is not wrong with the folds, and not as good as it might be, is said before trials are trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from truetune.data.checks.fold_notes import copies_of_sealed, notes, same_again
from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Protocol
from truetune.errors import DataError

NAMES = ("calm", "happy", "sad")


def made(labels, groups=None, **more):
    X = np.random.default_rng(0).normal(size=(len(labels), 3))
    return Dataset(X, np.asarray(labels), groups=groups, class_names=NAMES, **more)


def lines(data, *protocol):
    return notes(data, Protocol(*protocol).folds(data, 0))


@pytest.mark.parametrize("protocol", [("holdout",), ("k-fold", 4), ("leave-one-group-out",)])
def test_good_folds_need_no_note(protocol):
    assert lines(made(np.arange(60) % 3, np.arange(60) // 5), *protocol) == []


def test_folds_that_cannot_validate_a_class_are_named():
    labels = [0, 1, 2, 2] * 2 + [0, 1, 1, 1] + [2, 2, 2, 2]
    data = made(labels, np.repeat(["s1", "s2", "s3", "s4"], 4))
    assert lines(data, "leave-one-group-out") == [
        "Fold s3 lacks rows of class sad to validate on; fold s4 lacks rows of class calm, happy to validate on."
    ]


def test_a_validation_part_that_folds_do_not_use_is_named():
    data = made(np.arange(60) % 3, parts=np.repeat(["train", "validation"], [48, 12]))
    assert lines(data) == []
    assert lines(data, "k-fold", 4)[0].startswith("The given validation part is not used")


def test_splits_that_cannot_be_fresh_are_said():
    groups = np.arange(60) // 5
    data = made(np.arange(60) % 3, groups)
    own, fresh = (Protocol("k-fold", 4).folds(data, seed) for seed in (0, 1))
    assert same_again(own, fresh) is None
    assert "this protocol always draws the same one" in same_again(own, own)
    given = replace(data, parts=np.repeat(["train", "validation"], [45, 15]))
    own, fresh = (Protocol().folds(given, seed) for seed in (0, 1))
    assert "the same split: the split was given. Its scores are slightly too optimistic" in same_again(own, fresh)
    left_out = [Protocol("leave-one-group-out").folds(data, seed) for seed in (0, 1)]
    assert same_again(*left_out) is not None


def test_near_copies_of_sealed_rows_are_said():
    data = made(np.arange(100) % 3)
    assert copies_of_sealed(data, np.arange(80), np.arange(80, 100)) is None
    data.X[80:90] = data.X[:10] + 1e-5
    assert copies_of_sealed(data, np.arange(80), np.arange(80, 100)).startswith("10 of 20 sealed rows are closer")


def test_folds_that_cannot_train_a_class_are_named():
    data = made([0, 1, 0, 1, 0, 2], np.repeat(["s1", "s2", "s3"], 2))
    assert "Fold s3 lacks rows of class sad to train on." in lines(data, "leave-one-group-out")


def test_three_folds_are_named_and_the_others_counted():
    data = made(np.repeat([0, 1], 10), np.repeat(np.arange(10), 2))
    (line,) = lines(data, "leave-one-group-out")
    assert line.startswith("Fold 0 lacks rows of class happy to validate on; fold 1 ")
    assert line.endswith("; so do 7 other folds.")
    (line,) = lines(made(np.repeat([0, 1], 4), np.repeat(np.arange(4), 2)), "leave-one-group-out")
    assert line.endswith("; so does 1 other fold.")


def test_regression_has_no_classes():
    assert lines(Dataset(np.random.default_rng(0).normal(size=(20, 3)), np.linspace(0, 1, 20)), "k-fold", 4) == []


def test_a_coarser_level_that_crosses_is_named():
    data = made(np.arange(60) % 3, {"subject": np.arange(60) // 20, "trial": np.arange(60) // 5})
    assert lines(data, "k-fold", 3) == []
    (line,) = lines(data.grouped_by("trial"), "k-fold", 3)
    assert line.startswith("Splits go by trial, so rows of one subject may be on both sides.")


def test_groups_that_the_users_own_split_cuts_are_named():
    parts = np.repeat(["train", "train", "validation", "train"] * 3, 5)
    data = made(np.arange(60) % 3, {"subject": np.arange(60) // 20, "trial": np.arange(60) // 5}, parts=parts)
    with pytest.raises(DataError, match=r"^The given part 'validation' has rows of 3 subjects .* first 0\."):
        lines(data)
    (line,) = lines(data.grouped_by("trial"))
    assert line.startswith("The given split has rows of 3 subjects in both parts (0, 1, 2). The score applies to")
    whole = made(np.arange(60) % 3, np.arange(60) // 12, parts=np.repeat(["train", "validation"], [48, 12]))
    assert lines(whole) == []


@pytest.mark.parametrize(("protocol", "start"), [(("holdout",), ""), (("k-fold", 5), "In fold 1 of 5, ")])
def test_copies_are_said_once(protocol, start):
    data = made(np.arange(100) % 3)
    data.X[50:60] = data.X[:10] + 1e-5
    (line,) = lines(data, *protocol)
    assert line.startswith(start)
    assert "validation rows are closer to a training row than 5%" in line
