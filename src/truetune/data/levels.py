"""Groups within groups: subject, session, trial, as one column of ids a level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truetune.errors import DataError

Array = NDArray[Any]


def compose(columns: Mapping[str, Any]) -> dict[str, Array]:
    """One column of ids a level, each id with those of the coarser levels before it.

    The first level's ids stay as they are. Session 2 of subject s1 becomes "s1/2", its trial 7 "s1/2/7", so that a
    trial number that occurs in two subjects is two trials. A `/` or backslash inside an id has a backslash before it.

    Args:
        columns: level name to ids, each of shape (n_samples,), coarsest first.

    Raises:
        DataError: there are no levels, or their columns are of other shapes or of different lengths, or have gaps.
    """
    if not columns:
        raise DataError("groups is an empty mapping. Expected a column for each level, coarsest first, or an array.")
    levels = {name: group_column(name, values) for name, values in columns.items()}
    lengths = {name: len(column) for name, column in levels.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"The levels of groups have different lengths: {listed}. Expected one entry per row in each.")
    for name, column in levels.items():
        check_no_gaps(name, column)
    first, *finer = levels
    path = _escaped(levels[first])
    for name in finer:
        path = levels[name] = np.char.add(np.char.add(path, "/"), _escaped(levels[name]))
    return levels


def group_column(name: str, values: Any) -> Array:
    """Ids as an array of shape (n_samples,). Raises DataError where they are of another shape."""
    column = np.asarray(values)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise DataError(f"{name} has shape {column.shape}. Expected one id per row, shape (n_samples,).")
    return column


def check_no_gaps(name: str, column: Array) -> None:
    """Refuse rows that belong to nobody. Raises DataError."""
    if column.dtype.kind == "O":
        gaps = np.array(
            [value is None or str(value) in ("nan", "NaT", "<NA>") for value in column.tolist()], dtype=bool
        )
    else:
        gaps = np.isnan(column) if column.dtype.kind in "fmM" else np.zeros(len(column), dtype=bool)
    if gaps.any():
        first = int(np.flatnonzero(gaps)[0])
        raise DataError(
            f"{name} is missing in {int(gaps.sum())} of {len(column)} rows, first in row {first}. Expected an id in "
            "every row; fill or drop these rows."
        )


def _escaped(column: Array) -> Array:
    # Not by `np.char.replace`, which cuts off what becomes longer.
    return np.array([str(word).replace("\\", "\\\\").replace("/", "\\/") for word in column.astype(str).tolist()])
