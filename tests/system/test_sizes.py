"""Amounts of memory, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truetune.errors import InputError
from truetune.system.sizes import GIB, MIB, parse_size, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("3G", 3 * GIB), ("800M", 800 * MIB), ("1.5 GiB", GIB * 3 // 2), ("512mb", 512 * MIB), ("4096", 4096), (7, 7)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "three", "-3G", "0", "3X", "3 G G", "nan", "1e3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InputError, match="such as 3G or 800M"):
        parse_size(text)


@given(st.integers(min_value=MIB, max_value=2**45))
def test_a_shown_size_reads_back_within_its_rounding(size):
    assert parse_size(show_size(size)) == pytest.approx(size, rel=0.06, abs=MIB)
