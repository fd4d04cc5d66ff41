"""`seal.json`: the file that records which rows a study has sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array
from truetune.errors import StudyError
from truetune.system.checked_json import UncheckedJson, read_checked, write_checked


@dataclass(frozen=True)
class SealFile:
    """The content of a seal file.

    Attributes:
        fingerprint: of the data.
        by: "subject", "row" or "given".
        seed: of the study that drew the rows.
        test_rows: row numbers, ascending, shape (n_test,).
        row_hashes: of the sealed rows' features, in the same order; empty if the file lacks them.
    """

    fingerprint: str
    by: str
    seed: int
    test_rows: Array
    row_hashes: Array

    def write(self, path: Path) -> None:
        """Write the file. Raises StorageError."""
        content = {
            "fingerprint": self.fingerprint,
            "by": self.by,
            "seed": self.seed,
            "test_rows": self.test_rows.tolist(),
            "row_hashes": self.row_hashes.tolist(),
        }
        write_checked(path, content)


def read_seal_file(path: Path) -> SealFile:
    """Read the seal in `path`.

    Raises:
        StudyError: it is not a seal, or is damaged.
    """
    try:
        return read_checked(path, _parsed)
    except UncheckedJson as error:
        raise StudyError(damaged(path, str(error))) from error


def _parsed(content: Mapping[str, Any]) -> SealFile:
    return SealFile(
        str(content["fingerprint"]),
        str(content["by"]),
        int(content["seed"]),
        np.asarray(content["test_rows"], dtype=np.int64),
        np.asarray(content.get("row_hashes", []), dtype=np.uint64),
    )


def damaged(path: Path, why: str) -> str:
    return f"{path} is not a readable seal ({why}). Restore it from a backup, or start over with --fresh."
