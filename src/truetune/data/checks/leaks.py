"""Rows that are on both sides of a split: the same row twice, or near-duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from truetune.data.checks.row_hashes import HashedRows
from truetune.data.dataset import Array, Dataset, named
from truetune.data.splitting.protocols import Fold
from truetune.errors import DataError

MOST_SHOWN = 3
NEAR = 0.05
"""Fraction of the usual (median) distance between a kept row and its nearest neighbour."""

LEAST_SHARE = 0.01
LEAST_ROWS = 2
MOST_HELD_ROWS = 1_000
MOST_KEPT_ROWS = 10_000
MOST_VALUES = 2**25
"""Fewer rows are compared if rows are long, so that a few hundred MiB of memory suffice."""

MOST_FEATURES = 200
PROJECTED_FEATURES = 64


def check_identical(rows: HashedRows, kept: Array, held: Array, where: str) -> None:
    """Refuse a split that has a row on both sides, whatever its label and its group.

    Args:
        rows: what is split.
        kept, held: row numbers within `rows`, disjoint.
        where: name of `held` in the message: "the test part", "the validation part of fold 2 of 5".

    Raises:
        DataError: the features of a row of `held` are those of a row of `kept`, by hash (see `row_hashes`).
    """
    hashes = rows.hashes
    twice = held[np.isin(hashes[held], hashes[kept])]
    if not len(twice):
        return
    pairs = [(int(row), int(kept[hashes[kept] == hashes[row]][0])) for row in twice[:MOST_SHOWN]]
    shown = "; ".join(f"{_row(rows, a)} = {_row(rows, b)}" for a, b in pairs)
    more = f"; and {len(twice) - len(pairs)} more" if len(twice) > len(pairs) else ""
    raise DataError(
        f"{_counted(len(twice))} of {where} with the same features as a training row: "
        f"{shown}{more}. Expected every row on one side only, since a model knows the rows it was trained on. "
        "Drop one of each pair, or give both the same group."
    )


def check_folds(development: HashedRows, folds: Sequence[Fold], fresh: Iterable[Sequence[Fold]] = ()) -> None:
    """Refuse folds that train and validate on the same row.

    Args:
        development: the rows that are not sealed.
        folds: drawn from them.
        fresh: folds that will be drawn later; looked at only where there are identical rows at all.

    Raises:
        DataError: see `check_identical`.
    """
    if len(np.unique(development.hashes)) == len(development.hashes):
        return
    for fold in folds:
        where = "the validation part" if len(folds) == 1 else f"the validation part of fold {fold.name}"
        check_identical(development, fold.train, fold.validation, where)
    for fold in (fold for split in fresh for fold in split):
        where = "the validation part of a split that will be drawn later"
        check_identical(development, fold.train, fold.validation, where)


def _counted(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _row(rows: HashedRows, row: int) -> str:
    """`row 12 (group anna, class calm)`, as far as known."""
    dataset = rows.dataset
    known = [] if dataset.groups is None else [f"group {dataset.groups[row]}"]
    label = dataset.labels[row]
    if dataset.is_classification:
        known.append(f"class {dataset.class_names[label] if dataset.class_names else label}")
    elif np.ndim(label) == 0:
        known.append(f"label {label:g}")
    return f"row {rows.numbers[row]}" + (f" ({', '.join(known)})" if known else "")


def near_identical(dataset: Dataset, kept: Array, held: Array, part: str = "validation") -> str | None:
    """A warning if rows of `held` are so close to rows of `kept` that they may be copies of them.

    Features are standardised by the kept rows. More than 200 features are randomly projected to 64, which roughly
    preserves distances. A held row counts if its nearest kept row is closer than 5 % of the median distance between
    neighbouring kept rows. At most 10 000 kept and 1000 held rows are compared, evenly sampled.

    This finds copies with a little noise, different rounding or a slightly changed feature, as long as most rows have
    none. It does not find copies that were shifted, rotated or scaled, overlapping windows if most kept rows overlap
    with each other too, or copies of rows outside the sample. Rows of one person are alike in ways that no distance
    reveals: declare groups. With a single feature it returns None, because close values are then no evidence.

    Args:
        dataset: the rows that are split.
        kept, held: row numbers within `dataset`.
        part: what the rows of `held` are, for the warning: "validation" or "sealed".

    Returns:
        One line, or None if fewer than 1 % of the held rows, or fewer than 2, are that close.
    """
    arrays = list(named(dataset.X).values())
    n_features = sum(values[0].size for values in arrays)
    if n_features < 2 or any(values.dtype.kind not in "biuf" for values in arrays):
        return None
    most = max(LEAST_ROWS, MOST_VALUES // n_features)
    kept, held = _evenly(kept, min(MOST_KEPT_ROWS, most)), _evenly(held, min(MOST_HELD_ROWS, most))
    near = _count_near(_flat(arrays, kept), _flat(arrays, held))
    if near < max(LEAST_ROWS, LEAST_SHARE * len(held)):
        return None
    return (
        f"{near} of {len(held)} {part} rows are closer to a training row than {NEAR:.0%} of the usual distance "
        "between rows. They may be copies; if so, give a row and its copies the same group."
    )


def _evenly(rows: Array, most: int) -> Array:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def _flat(arrays: Sequence[Array], rows: Array) -> Array:
    return np.concatenate([values[rows].reshape(len(rows), -1).astype(np.float32) for values in arrays], axis=1)


def _count_near(kept: Array, held: Array) -> int:
    """Number of rows of `held` that are near a row of `kept`; both of shape (n, n_features)."""
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler
    from sklearn.random_projection import GaussianRandomProjection

    if len(kept) < 2:
        return 0
    scaler = StandardScaler(copy=False).fit(kept)
    kept, held = scaler.transform(kept), scaler.transform(held)
    if kept.shape[1] > MOST_FEATURES:
        projection = GaussianRandomProjection(PROJECTED_FEATURES, random_state=0).fit(kept)
        kept, held = projection.transform(kept), projection.transform(held)
    neighbours = NearestNeighbors(n_neighbors=2).fit(kept)
    usual = np.median(neighbours.kneighbors(_evenly(kept, MOST_HELD_ROWS))[0][:, 1])
    nearest = neighbours.kneighbors(held, n_neighbors=1)[0][:, 0]
    return int((nearest < NEAR * usual).sum())
