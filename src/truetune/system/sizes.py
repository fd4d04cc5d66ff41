"""Amounts of memory, as people write and read them."""

from __future__ import annotations

import re

from truetune.errors import InputError

KIB, MIB, GIB = 2**10, 2**20, 2**30
_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?")


def parse_size(text: str | int) -> int:
    """Bytes: `3G`, `800M`, `1.5 GiB`, or a plain number of bytes. Units are powers of 1024.

    Raises:
        InputError: it is no size, or zero.
    """
    found = _SIZE.fullmatch(str(text).strip().upper())
    size = int(float(found[1]) * _UNITS[found[2]]) if found else 0
    if size < 1:
        raise InputError(f"The size {text!r} was given. Expected a number and a unit, such as 3G or 800M.")
    return size


def show_size(size: float) -> str:
    """`3.1 GiB`, `812 MiB`."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
