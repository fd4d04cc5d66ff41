"""What the test rows are drawn in: subjects, or where there are none, blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.data.groups import coarsest

BLOCKS = "blocks of rows"

MOST_BLOCKS = 200
"""More make an interval no better, and an evaluation slower."""


@dataclass(frozen=True)
class Clusters:
    """Parts of the test rows that could have come out otherwise, each as a whole.

    Attributes:
        parts: row numbers of each, disjoint; together all rows.
        by: the groups that they are, such as "subjects"; or "blocks of rows".
    """

    parts: tuple[Array, ...]
    by: str

    @property
    def are_groups(self) -> bool:
        """Whether rows of one cluster belong together."""
        return self.by != BLOCKS

    def __len__(self) -> int:
        return len(self.parts)


def clusters_of(test: Dataset, seed: int = 0) -> Clusters:
    """The coarsest groups of `test`, also where splits went by finer ones: sessions of one subject are alike.

    Where there are none, or one only, at most 200 random blocks of rows of one size.
    """
    if test.groups is not None:
        for name, column in [*coarsest(test), (str(test.group_name), test.groups)]:
            _, group = np.unique(column, return_inverse=True)
            if group.max() > 0:
                return Clusters(tuple(np.flatnonzero(group == i) for i in range(group.max() + 1)), f"{name}s")
    shuffled = np.random.default_rng(seed).permutation(len(test))
    blocks = np.array_split(shuffled, min(MOST_BLOCKS, len(test)))
    return Clusters(tuple(np.sort(block) for block in blocks), BLOCKS)
