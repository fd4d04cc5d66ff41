"""The test part, set aside before anything else and kept in a file beside the study.

Nothing of the search sees a sealed row: `development` is all that workers get. Only `verify` and the final test of
`train` open the seal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truetune.atomic import write_atomically
from truetune.checksum import checksum
from truetune.data.dataset import Array, Dataset
from truetune.data.splits import given, holdout
from truetune.errors import StudyError
from truetune.seeds import derive_seed

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

    def test(self, dataset: Dataset) -> Dataset:
        return dataset.take(self.test_rows)


def seal(dataset: Dataset, path: Path, seed: int, fraction: float = TEST_FRACTION) -> Seal:
    """The seal in `path`, made if it is not there.

    Raises:
        StudyError: `path` seals other data, or is damaged.
        DataError: the data cannot be split.
    """
    fingerprint = dataset.fingerprint()
    if path.exists():
        return read_seal(path, len(dataset), fingerprint)
    split = given(dataset, "test") or holdout(dataset, fraction, derive_seed(seed, "test"))
    made = Seal(split.kept, split.held, split.by, fingerprint, seed)
    content = {"fingerprint": fingerprint, "by": split.by, "seed": seed, "test_rows": split.held.tolist()}
    content["checksum"] = checksum(content)
    write_atomically(path, (json.dumps(content) + "\n").encode(), make_folder=True)
    return made


def read_seal(path: Path, n_rows: int, fingerprint: str) -> Seal:
    """The seal in `path`.

    Raises:
        StudyError: it seals other data than the `n_rows` rows with `fingerprint`, or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("checksum")
        if checksum(content) != stated:
            raise ValueError("its checksum does not fit its content")
        test_rows = np.asarray(content["test_rows"], dtype=np.int64)
        sealed, by, seed = str(content["fingerprint"]), str(content["by"]), int(content["seed"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(_damaged(path, str(error))) from error
    if sealed != fingerprint:
        raise StudyError(
            f"The data changed: {path} seals data with fingerprint {sealed}, received {fingerprint}. "
            "Use the earlier data, or start anew with --fresh (archives the study) or another --study-name."
        )
    is_test = np.zeros(n_rows, dtype=bool)
    inside = test_rows.ndim == 1 and len(test_rows) > 0 and test_rows.min() >= 0 and test_rows.max() < n_rows
    if not inside or len(np.unique(test_rows)) == n_rows:
        raise StudyError(_damaged(path, f"its test rows are not some of the {n_rows} rows"))
    is_test[test_rows] = True
    return Seal(np.flatnonzero(~is_test), np.flatnonzero(is_test), by, sealed, seed)


def _damaged(path: Path, why: str) -> str:
    return f"{path} cannot be read as a seal ({why}). Restore it from a backup, or start anew with --fresh."


def split_development(development: Dataset, seed: int, fraction: float = 0.2) -> tuple[Dataset, Dataset, str]:
    """Training and validation part of the development rows, and what they were split by."""
    split = given(development, "validation") or holdout(development, fraction, derive_seed(seed, "validation"))
    return development.take(split.kept), development.take(split.held), split.by
