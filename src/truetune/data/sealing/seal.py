"""The test part, set aside before anything else and kept in a file beside the study.

Nothing of the search sees a sealed row: `development` is all that workers get. Only `truetune verify` opens the seal,
through the ledger (`data.ledger.open_test`), which counts how often.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truetune.data.checks.leaks import check_identical
from truetune.data.checks.row_hashes import row_hashes
from truetune.data.dataset import Array, Dataset
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
        development_rows, test_rows: row numbers, ascending and disjoint; together all rows.
        by: "subject", "row" or "given".
        fingerprint: of the data they belong to.
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
        """The same for the same sealed rows of the same data, whatever drew them."""
        return checksum({"fingerprint": self.fingerprint, "test_rows": self.test_rows.tolist()})


def seal(dataset: Dataset, path: Path, seed: int, fraction: float = TEST_FRACTION) -> Seal:
    """The seal in `path`, made if it is not there.

    Where another study in the same directory has sealed the same data, its test part is taken, whatever the seed.

    Raises:
        StudyError: `path` seals other data, or is damaged; or these data would be tuned on rows that another study
            in the directory has sealed.
        DataError: the data cannot be split, a row is on both sides, or every sealed row has the weight 0.
        StorageError: `path` cannot be written.
    """
    fingerprint = dataset.fingerprint()
    if path.exists():
        return read_seal(path, len(dataset), fingerprint)
    with _one_at_a_time(path):
        if path.exists():  # another process was quicker
            return read_seal(path, len(dataset), fingerprint)
        split = same_test_part(dataset, path, fingerprint) or _new_test_part(dataset, path, seed, fraction)
        check_identical(dataset, split.kept, split.held, "the test part")
        check_some_weight(taken_weights(dataset.sample_weight, split.held), "the test part")
        refuse_sealed_rows(dataset.take(split.kept), path, fingerprint)
        hashes = row_hashes(dataset.take(split.held).X)
        SealFile(fingerprint, split.by, seed, split.held, hashes).write(path)
    return Seal(split.kept, split.held, split.by, fingerprint, seed)


def _new_test_part(dataset: Dataset, path: Path, seed: int, fraction: float) -> Split:
    chosen = given(dataset, "test") or same_rows(dataset, path)
    return chosen or holdout(dataset, fraction, derive_seed(seed, "test"))


def _one_at_a_time(path: Path) -> AbstractContextManager[None]:
    """Two studies that seal the same data at once must agree on one test part."""
    folder = path.parent.parent
    return locked(folder / "seal.lock") if folder.name == FOLDER else nullcontext()


def read_seal(path: Path, n_rows: int, fingerprint: str) -> Seal:
    """The seal in `path`.

    Raises:
        StudyError: it seals other data than the `n_rows` rows with `fingerprint`, or is damaged.
    """
    stated = read_seal_file(path)
    test_rows = stated.test_rows
    if stated.fingerprint != fingerprint:
        raise StudyError(
            f"The data changed: {path} seals data with fingerprint {stated.fingerprint}, received {fingerprint}. "
            "Use the earlier data, or start anew with --fresh (archives the study) or another --study-name."
        )
    is_test = np.zeros(n_rows, dtype=bool)
    inside = test_rows.ndim == 1 and len(test_rows) > 0 and test_rows.min() >= 0 and test_rows.max() < n_rows
    if not inside or len(np.unique(test_rows)) == n_rows:
        raise StudyError(damaged(path, f"its test rows are not some of the {n_rows} rows"))
    is_test[test_rows] = True
    return Seal(np.flatnonzero(~is_test), np.flatnonzero(is_test), stated.by, stated.fingerprint, stated.seed)
