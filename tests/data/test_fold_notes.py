"""What is not wrong with the folds, and not as good as it might be, is said before trials are trained."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.fold_notes import notes
from truetune.data.protocols import Protocol

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
        "Fold s3 has no row of class sad to validate on; fold s4 has no row of class calm, happy to validate on."
    ]


def test_folds_that_cannot_train_a_class_are_named():
    data = made([0, 1, 0, 1, 0, 2], np.repeat(["s1", "s2", "s3"], 2))
    assert "Fold s3 has no row of class sad to train on." in lines(data, "leave-one-group-out")


def test_three_folds_are_named_and_the_others_counted():
    data = made(np.repeat([0, 1], 10), np.repeat(np.arange(10), 2))
    (line,) = lines(data, "leave-one-group-out")
    assert line.startswith("Fold 0 has no row of class happy to validate on; fold 1 ")
    assert line.endswith("; nor have 7 more folds of some class.")


def test_regression_has_no_classes():
    assert lines(Dataset(np.random.default_rng(0).normal(size=(20, 3)), np.linspace(0, 1, 20)), "k-fold", 4) == []


def test_a_coarser_level_that_crosses_is_named():
    data = made(np.arange(60) % 3, {"subject": np.arange(60) // 20, "trial": np.arange(60) // 5})
    assert lines(data, "k-fold", 3) == []
    (line,) = lines(data.grouped_by("trial"), "k-fold", 3)
    assert line.startswith("Splits go by trial: rows of one subject may be on both sides.")


def test_groups_that_the_users_own_split_cuts_are_named():
    parts = np.tile(["train", "train", "validation", "train", "validation"], 12)
    data = made(np.arange(60) % 3, {"subject": np.arange(60) // 20, "trial": np.arange(60) // 5}, parts=parts)
    (line,) = lines(data)
    assert line.startswith("The split that was given has rows of 3 subjects in both parts (0, 1, 2). The score is one")
    whole = made(np.arange(60) % 3, np.arange(60) // 12, parts=np.repeat(["train", "validation"], [48, 12]))
    assert lines(whole) == []


@pytest.mark.parametrize(("protocol", "start"), [(("holdout",), ""), (("k-fold", 5), "In fold 1 of 5, ")])
def test_copies_are_said_once(protocol, start):
    data = made(np.arange(100) % 3)
    data.X[50:60] = data.X[:10] + 1e-5
    (line,) = lines(data, *protocol)
    assert line.startswith(start)
    assert "validation rows lie nearer to a training row than 5%" in line
