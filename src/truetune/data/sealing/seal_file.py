"""`seal.json`: which rows a study has sealed, as they stand in its file."""

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
    """What a seal says.

    Attributes:
        fingerprint: of the data the rows belong to.
        by: "subject", "row" or "given".
        seed: the seed of the study that drew them.
        test_rows: row numbers, ascending, shape (n_test,).
        row_hashes: of the sealed rows' features, in the same order; empty where the file does not hold them.
    """

    fingerprint: str
    by: str
    seed: int
    test_rows: Array
    row_hashes: Array

    def write(self, path: Path) -> None:
        """Raises StorageError."""
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
    """What `path` says.

    Raises:
        StudyError: it is no seal, or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("checksum")
        if checksum(content) != stated:
            raise ValueError("its checksum does not fit its content")
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
    return f"{path} cannot be read as a seal ({why}). Restore it from a backup, or start anew with --fresh."
