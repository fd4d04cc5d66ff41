"""What is said on the command line about groups, applied to data that somebody else loaded."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.grouping import UNSAID, Grouping
from truetune.errors import InputError

DATA = Dataset(np.zeros((4, 1)), np.arange(4) % 2, groups={"subject": [1, 1, 2, 2], "trial": [1, 2, 1, 2]})


def test_nothing_said_leaves_the_data_as_they_are():
    assert UNSAID.of(DATA) is DATA


def test_a_level_and_independent_rows():
    assert Grouping("trial").of(DATA).groups.tolist() == ["1/1", "1/2", "2/1", "2/2"]
    assert Grouping(rows_are_independent=True).of(DATA).groups is None


def test_both_are_refused():
    with pytest.raises(InputError, match=r"--groups trial and --rows-are-independent"):
        Grouping("trial", True)
