"""A short hash of each row's features, to find the same row in two places."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from truetune.data.dataset import Array, Arrays, Dataset, named


@dataclass(frozen=True)
class HashedRows:
    """Rows, with a hash of each and the number that a person knows it by.

    Attributes:
        dataset: the rows.
        hashes: of their features, shape (n_samples,), see `row_hashes`.
        numbers: of the rows in the data that they were taken from, shape (n_samples,).
    """

    dataset: Dataset
    hashes: Array
    numbers: Array

    @classmethod
    def of(cls, dataset: Dataset) -> HashedRows:
        return cls(dataset, row_hashes(dataset.X), np.arange(len(dataset)))

    def take(self, rows: Array) -> HashedRows:
        """The given rows, in that order; nothing is hashed again."""
        return HashedRows(self.dataset.take(rows), self.hashes[rows], self.numbers[rows])


def row_hashes(X: Arrays) -> Array:
    """64-bit hashes of the rows, shape (n_samples,), dtype uint64: equal rows have equal hashes.

    -0.0 and 0.0 are one value here, as they are to a model. Two different rows of 10 million share a hash with a
    probability of about 3e-6.

    Args:
        X: features, shape (n_samples, …), or a mapping of input name to such arrays.
    """
    columns = [_rows(values) for _, values in sorted(named(X).items())]
    return np.array([_hash(parts) for parts in zip(*columns, strict=True)], dtype=np.uint64)


def _rows(values: Array) -> Sequence[bytes | memoryview]:
    """The bytes of each row; text does not depend on the longest one in other rows."""
    rows = np.ascontiguousarray(values.reshape(len(values), -1))
    if rows.dtype.kind in "OUS":
        return ["\x00".join(row).encode() for row in rows.astype(str).tolist()]
    if np.issubdtype(rows.dtype, np.floating):
        rows = rows + 0.0  # turns -0.0 into 0.0
    width = rows.shape[1] * rows.dtype.itemsize
    return [row.data for row in rows.view(np.uint8).reshape(len(rows), width)]


def _hash(parts: Sequence[bytes | memoryview]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")
