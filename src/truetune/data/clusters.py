"""What the test rows are drawn in: subjects, or where there are none, blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from truetune.data.dataset import Array, Dataset

MOST_BLOCKS = 200
"""More make an interval no better, and an evaluation slower."""


@dataclass(frozen=True)
class Clusters:
    """Parts of the test rows that could have come out otherwise, each as a whole.

    Attributes:
        parts: row numbers of each, disjoint; together all rows.
        by: "subjects", or "blocks of rows".
    """

    parts: tuple[Array, ...]
    by: str

    def __len__(self) -> int:
        return len(self.parts)


def clusters_of(test: Dataset, seed: int = 0) -> Clusters:
    """The groups of `test`; where it has none or one only, at most 200 random blocks of rows of one size."""
    if test.groups is not None and len(np.unique(test.groups)) > 1:
        _, group = np.unique(test.groups, return_inverse=True)
        return Clusters(tuple(np.flatnonzero(group == i) for i in range(group.max() + 1)), "subjects")
    shuffled = np.random.default_rng(seed).permutation(len(test))
    blocks = np.array_split(shuffled, min(MOST_BLOCKS, len(test)))
    return Clusters(tuple(np.sort(block) for block in blocks), "blocks of rows")
