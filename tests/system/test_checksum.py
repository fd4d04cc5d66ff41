"""What differs has another checksum, also where floats would be the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truetune.system.checksum import checksum


@given(st.integers(0, 2**64 - 1), st.integers(0, 63))
def test_every_bit_of_a_large_integer_counts(number, bit):
    assert checksum({"hashes": [number]}) != checksum({"hashes": [number ^ (1 << bit)]})


def test_one_is_one():
    assert checksum({"a": 1, "b": (2, 3)}) == checksum({"b": [2.0, 3], "a": 1.0})
    assert checksum({"a": True}) != checksum({"a": 1})
