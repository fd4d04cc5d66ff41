"""The test part, set aside before anything else and recorded in a file beside the study.

No part of the search uses a sealed row: workers get `development` only. Only `truetune verify` opens the seal, through
`data.sealing.ledger.open_test`, which counts how often.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truetune.data.checks.leaks import check_identical
from truetune.data.checks.row_hashes import HashedRows
from truetune.data.dataset import Array, Dataset
from truetune.data.sealing.identified import IdentifiedData
from truetune.data.sealing.locked import locked
from truetune.data.sealing.other_seals import FOLDER, refuse_sealed_rows, same_rows, same_test_part
from truetune.data.sealing.seal_file import SealFile, damaged, read_seal_file
from truetune.data.splitting.splits import Split, given, holdout
from truetune.data.weights import check_some_weight, taken_weights
from truetune.errors import StudyError
from truetune.seeds import derive_seed
from truetune.system.checksum import checksum

TEST_FRACTION = 0.2


@dataclass(frozen=True)
class Seal:
    """Which rows are sealed.

    Attributes:
        development_rows, test_rows: row numbers, ascending and disjoint; together they cover all rows.
        by: "subject", "row" or "given".
        fingerprint: of the data.
        seed: the study's seed.
    """

    development_rows: Array
    test_rows: Array
    by: str
    fingerprint: str
    seed: int

    def development(self, dataset: Dataset) -> Dataset:
        return dataset.take(self.development_rows)

    @property
    def digest(self) -> str:
        """Identifies the sealed rows and the data, independently of how the rows were drawn."""
        return checksum({"fingerprint": self.fingerprint, "test_rows": self.test_rows.tolist()})


def seal(dataset: Dataset, path: Path, seed: int, fraction: float = TEST_FRACTION) -> Seal:
    """The seal in `path`, created if it does not exist.

    If another study in the same directory has sealed the same data, its test part is used, whatever the seed.

    Raises:
        StudyError: `path` seals other data or is damaged, or these data include rows that another study in the
            directory has sealed.
        DataError: the data cannot be split, a row is on both sides, or every sealed row has the weight 0.
        StorageError: `path` cannot be written.
    """
    return seal_of(IdentifiedData(dataset), path, seed, fraction)


def seal_of(data: IdentifiedData, path: Path, seed: int, fraction: float = TEST_FRACTION) -> Seal:
    """As `seal`; what identifies the data is computed at most once."""
    n_rows, fingerprint = len(data.dataset), data.fingerprint
    if path.exists():
        return read_seal(path, n_rows, fingerprint)
    with _one_at_a_time(path):
        if path.exists():  # another process was quicker
            return read_seal(path, n_rows, fingerprint)
        split = same_test_part(data.dataset, path, fingerprint) or _new_test_part(data.rows, path, seed, fraction)
        check_identical(data.rows, split.kept, split.held, "the test part")
        check_some_weight(taken_weights(data.dataset.sample_weight, split.held), "the test part")
        refuse_sealed_rows(data.rows.take(split.kept), path, fingerprint)
        SealFile(fingerprint, split.by, seed, split.held, data.rows.hashes[split.held]).write(path)
    return Seal(split.kept, split.held, split.by, fingerprint, seed)


def _new_test_part(rows: HashedRows, path: Path, seed: int, fraction: float) -> Split:
    chosen = given(rows.dataset, "test") or same_rows(rows, path)
    return chosen or holdout(rows.dataset, fraction, derive_seed(seed, "test"))


def _one_at_a_time(path: Path) -> AbstractContextManager[None]:
    """A lock, so that two studies that seal the same data at the same time agree on one test part."""
    folder = path.parent.parent
    return locked(folder / "seal.lock") if folder.name == FOLDER else nullcontext()


def read_seal(path: Path, n_rows: int, fingerprint: str) -> Seal:
    """The seal in `path`.

    Raises:
        StudyError: it does not belong to the `n_rows` rows with `fingerprint`, or is damaged.
    """
    stated = read_seal_file(path)
    test_rows = stated.test_rows
    if stated.fingerprint != fingerprint:
        raise StudyError(
            f"The data changed: {path} seals data with fingerprint {stated.fingerprint}, received {fingerprint}. "
            "Use the earlier data, or start over with --fresh (archives the study) or another --study-name."
        )
    is_test = np.zeros(n_rows, dtype=bool)
    inside = test_rows.ndim == 1 and len(test_rows) > 0 and test_rows.min() >= 0 and test_rows.max() < n_rows
    if not inside or len(np.unique(test_rows)) == n_rows:
        raise StudyError(damaged(path, f"its test rows are not a proper part of the {n_rows} rows"))
    is_test[test_rows] = True
    return Seal(np.flatnonzero(~is_test), np.flatnonzero(is_test), stated.by, stated.fingerprint, stated.seed)
