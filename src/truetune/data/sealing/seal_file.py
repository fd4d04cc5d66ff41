"""`seal.json`: the file that records which rows a study has sealed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truetune.data.dataset import Array
from truetune.errors import StudyError
from truetune.system.checksum import checksum
from truetune.system.files import write_atomically


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
        content["checksum"] = checksum(content)
        write_atomically(path, (json.dumps(content) + "\n").encode(), make_folder=True)


def read_seal_file(path: Path) -> SealFile:
    """Read the seal in `path`.

    Raises:
        StudyError: it is not a seal, or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("checksum")
        if checksum(content) != stated:
            raise ValueError("its checksum does not match its content")
        return SealFile(
            str(content["fingerprint"]),
            str(content["by"]),
            int(content["seed"]),
            np.asarray(content["test_rows"], dtype=np.int64),
            np.asarray(content.get("row_hashes", []), dtype=np.uint64),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise StudyError(damaged(path, str(error))) from error


def damaged(path: Path, why: str) -> str:
    return f"{path} is not a readable seal ({why}). Restore it from a backup, or start over with --fresh."
