"""The identity of a data set, computed once for an open study because it takes a look at every value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from truetune.data.checks.row_hashes import HashedRows
from truetune.data.dataset import Dataset


@dataclass(frozen=True)
class IdentifiedData:
    """A data set with what identifies it and its rows. Make a new one where its arrays may have changed since."""

    dataset: Dataset

    @cached_property
    def fingerprint(self) -> str:
        """See `Dataset.fingerprint`."""
        return self.dataset.fingerprint()

    @cached_property
    def rows(self) -> HashedRows:
        """All rows with their hashes."""
        return HashedRows.of(self.dataset)
