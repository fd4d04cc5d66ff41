"""Heads follow the data, and short names of objectives become what Keras logs."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.errors import DataError, ObjectiveError
from truetune.objective import Objective
from truetune.tasks.objectives import heads_of, n_features, resolve_objective

THREE = {"valence": 2, "arousal": 2, "emotion": 5}


def three_heads(n_rows=20, n_features=14):
    emotion = np.arange(n_rows) % 4  # class 4 does not occur
    y = {"valence": emotion % 2, "arousal": (emotion > 1).astype(int), "emotion": emotion}
    names = ("neutral", "happy", "sad", "relaxed", "focused")
    return Dataset(np.zeros((n_rows, n_features)), y, class_names=names, main_output="emotion")


def plain():
    return Dataset(np.zeros((12, 9)), np.arange(12) % 3, class_names=("a", "b", "c"))


@pytest.mark.parametrize(
    ("asked", "heads", "name", "direction"),
    [
        (None, THREE, "val_emotion_accuracy", "max"),
        ("accuracy", THREE, "val_emotion_accuracy", "max"),
        ("uar", THREE, "val_emotion_uar", "max"),
        ("macro_f1", THREE, "val_emotion_macro_f1", "max"),
        ("loss", THREE, "val_loss", "min"),
        ("val_valence_uar", THREE, "val_valence_uar", "max"),
        ("val_emotion_loss", THREE, "val_emotion_loss", "min"),
        (None, {"label": 2}, "val_accuracy", "max"),
        ("uar", {"label": 2}, "val_uar", "max"),
        ("macro_f1", {"label": 2}, "val_macro_f1", "max"),
        ("val_loss", {"label": 2}, "val_loss", "min"),
    ],
)
def test_short_names_of_objectives(asked, heads, name, direction):
    assert resolve_objective(asked, heads, "emotion" if len(heads) > 1 else None) == Objective(name, direction)


@pytest.mark.parametrize(("asked", "heads"), [("f1", THREE), ("val_emotion_accuracy", {"label": 2})])
def test_an_objective_that_is_never_logged_is_refused(asked, heads):
    with pytest.raises(ObjectiveError, match="accuracy, uar, macro_f1, loss"):
        resolve_objective(asked, heads)


def test_heads_follow_the_data():
    assert heads_of(three_heads()) == THREE
    assert heads_of(plain()) == {"label": 3}


def test_other_metrics_of_another_task():
    assert resolve_objective(None, {"mask": 1}, metrics=("jaccard", "loss")) == Objective("val_jaccard", "max")
    with pytest.raises(ObjectiveError, match="Expected one of jaccard, loss"):
        resolve_objective("accuracy", {"mask": 1}, metrics=("jaccard", "loss"))


def test_features_are_one_table():
    assert n_features(plain()) == 9
    with pytest.raises(DataError, match=r"shape \(12, 3, 2\)"):
        n_features(Dataset(np.zeros((12, 3, 2)), np.arange(12) % 3))
