"""A data set and the seal of its test part, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from truetune.data.checks.row_hashes import HashedRows
from truetune.data.dataset import Dataset
from truetune.data.sealing.identified import IdentifiedData
from truetune.data.sealing.seal import Seal, seal_of


@dataclass(frozen=True)
class SealedData:
    """All rows, and which of them are sealed.

    Attributes:
        data: all rows.
        seal: which rows are sealed.
    """

    data: IdentifiedData
    seal: Seal

    @classmethod
    def of(cls, data: IdentifiedData, path: Path, seed: int) -> SealedData:
        """Sealed as recorded in `path`; the seal is made if it does not exist. Raises as `seal.seal_of`."""
        return cls(data, seal_of(data, path, seed))

    @cached_property
    def development(self) -> Dataset:
        """The rows that are not sealed."""
        return self.seal.development(self.data.dataset)

    @cached_property
    def hashed_development(self) -> HashedRows:
        """The same, hashed."""
        rows = self.seal.development_rows
        return HashedRows(self.development, self.data.rows.hashes[rows], rows)

    @cached_property
    def test(self) -> Dataset:
        """The sealed rows, for checks that preprocessing has not seen them; `ledger.open_test` gives them to models."""
        return self.data.dataset.take(self.seal.test_rows)
