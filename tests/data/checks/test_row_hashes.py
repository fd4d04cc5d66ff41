"""Rows are hashed one by one: their hashes are the same wherever they are taken to."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.checks.row_hashes import HashedRows, row_hashes
from truetune.data.dataset import Dataset

COLUMNS = {
    "numbers": np.array([[1.0, -0.0], [2.0, 3.0], [1.0, 0.0], [4.0, 5.0]]),
    "images": np.arange(48, dtype=np.uint8).reshape(4, 3, 4),
    "text": np.array(["a", "a much longer one", "a", "b"]),
    "objects": np.array(["a", "a much longer one", "a", "b"], dtype=object),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_rows_that_are_taken_keep_their_hashes_and_numbers(column):
    rows = HashedRows.of(Dataset(COLUMNS[column], np.array([0, 1, 0, 1])))
    few = np.array([3, 0])
    taken = rows.take(few)
    assert taken.hashes.tolist() == row_hashes(taken.dataset.X).tolist() == rows.hashes[few].tolist()
    assert taken.numbers.tolist() == [3, 0]
    assert taken.take(np.array([1])).numbers.tolist() == [0]


@pytest.mark.parametrize("column", ["numbers", "text", "objects"])
def test_equal_rows_have_equal_hashes(column):
    first, second, third, last = row_hashes(COLUMNS[column]).tolist()
    assert first == third
    assert len({first, second, last}) == 3


def test_inputs_are_told_apart():
    a, b = np.array([["x", "yz"]]), np.array([["xy", "z"]])
    assert row_hashes(a) != row_hashes(b)
    assert row_hashes({"one": a, "two": b}) != row_hashes({"one": b, "two": a})
