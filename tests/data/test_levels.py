"""Ids of levels: what differs stays different, what is one stays one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.data.levels import compose
from truetune.errors import DataError

IDS = st.text("a/\\1", max_size=3)


def test_a_trial_number_of_two_subjects_is_two_trials():
    levels = compose({"subject": ["s1", "s1", "s2"], "session": [2, 2, 2], "trial": [7, 8, 7]})
    assert levels["subject"].tolist() == ["s1", "s1", "s2"]
    assert levels["session"].tolist() == ["s1/2", "s1/2", "s2/2"]
    assert levels["trial"].tolist() == ["s1/2/7", "s1/2/8", "s2/2/7"]


def test_the_first_level_keeps_its_numbers():
    assert compose({"subject": np.array([3, 10])})["subject"].tolist() == [3, 10]


def test_numpy_replace_cuts_off_what_becomes_longer():
    """NumPy 2.4: where this changes, `levels._escaped` may be one call again."""
    assert np.char.replace(np.array(["a", "b"]), "a", "aa").tolist() == ["a", "b"]


def test_separators_inside_ids_are_escaped():
    assert compose({"a": ["\\", "/"], "b": ["", ""]})["b"].tolist() == ["\\\\/", "\\//"]


@settings(max_examples=60)
@given(st.lists(st.tuples(IDS, IDS, IDS), min_size=1, max_size=12))
def test_ids_are_equal_where_all_their_parts_are(rows):
    levels = compose(dict(zip("abc", zip(*rows, strict=True), strict=True)))
    for depth, ids in enumerate(levels.values(), start=1):
        parts = [row[:depth] for row in rows]
        assert all((ids[i] == ids[j]) == (parts[i] == parts[j]) for i in range(len(rows)) for j in range(i))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "empty mapping"),
        ({"subject": [1, 2], "trial": [1]}, "different lengths: subject 2, trial 1"),
        ({"subject": np.zeros((2, 3))}, r"subject has shape \(2, 3\)"),
        ({"subject": [1.0, float("nan")]}, "subject is missing in 1 of 2 rows, first in row 1"),
        ({"subject": ["a", "b"], "trial": np.array(["x", None], dtype=object)}, "trial is missing in 1 of 2 rows"),
    ],
)
def test_columns_that_are_no_levels_are_refused(columns, said):
    with pytest.raises(DataError, match=said):
        compose(columns)
