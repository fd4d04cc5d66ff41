"""The ledger of the seal: every read of the test part, recorded before it happens.

A test part only measures what was not chosen with it. Each look uses it up a little, so each one is recorded, and every
result after the first is labelled exploratory: repeating the look until the answer is pleasing is a search on the test
part.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from truetune.data.dataset import Dataset
from truetune.data.sealing.locked import locked
from truetune.data.sealing.other_seals import ARCHIVED
from truetune.data.sealing.seal import Seal
from truetune.data.sealing.seal_file import read_seal_file
from truetune.errors import StudyError
from truetune.system.checked_json import MissingJson, UncheckedJson, read_checked, write_checked


@dataclass(frozen=True)
class Read:
    """One read of the test part.

    Attributes:
        purpose: e.g. "verify".
        before, after: checksums of the compared configurations.
        seeds: of the trainings.
        time: when it was recorded, UTC, ISO 8601; empty until then.
        outcome: the result; None while unknown.
    """

    purpose: str
    before: str
    after: str
    seeds: tuple[int, ...]
    time: str = ""
    outcome: str | None = None

    def is_same(self, other: Read) -> bool:
        """Whether `other` asks the same question of the same rows."""
        return _question(self) == _question(other)


@dataclass(frozen=True)
class OpenedTest:
    """The test part, and how often it was opened before.

    Attributes:
        rows: the sealed rows.
        read: as recorded in the ledger.
        n_earlier: number of earlier reads of the same study's test part.
    """

    rows: Dataset
    read: Read
    n_earlier: int

    @property
    def is_exploratory(self) -> bool:
        return self.n_earlier > 0


def open_test(sealed: Seal, dataset: Dataset, seal_path: Path, read: Read) -> OpenedTest:
    """Record `read` in the ledger beside the seal, then return the test rows. This is the only way to get them.

    A read without an outcome was interrupted; repeating it continues it and is not counted twice.

    Raises:
        StudyError: the ledger is damaged, or the seal belongs to other data.
        StorageError: the ledger cannot be written; the test part stays closed.
    """
    if sealed.fingerprint != dataset.fingerprint():
        raise StudyError(f"{seal_path} does not belong to these data. Expected the data that the search was run on.")
    with locked(seal_path.with_name("ledger.lock")):
        reads = list(reads_of(seal_path))
        entered = next((r for r in reads if r.outcome is None and r.is_same(read)), None)
        if entered is None:
            entered = replace(read, time=datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"))
            reads.append(entered)
            _write(seal_path, reads)
        n_earlier = reads.index(entered) + sum(len(reads_of(path)) for path in _archived(seal_path, sealed))
    return OpenedTest(dataset.take(sealed.test_rows), entered, n_earlier)


def note_outcome(seal_path: Path, read: Read, outcome: str) -> None:
    """Record the outcome of `read`.

    Raises:
        StudyError: the ledger is damaged, or does not contain the read.
        StorageError: the ledger cannot be written.
    """
    with locked(seal_path.with_name("ledger.lock")):
        reads = list(reads_of(seal_path))
        if read not in reads:
            raise StudyError(
                f"{ledger_path(seal_path)} no longer contains the read of {read.time}. Expected it unchanged while the "
                "seal is open; restore it from a backup."
            )
        reads[reads.index(read)] = replace(read, outcome=outcome)
        _write(seal_path, reads)


def reads_of(seal_path: Path) -> tuple[Read, ...]:
    """All reads of the test part that `seal_path` seals, oldest first.

    Raises:
        StudyError: the ledger is damaged.
    """
    path = ledger_path(seal_path)
    try:
        return read_checked(path, lambda content: tuple(_read(entry) for entry in content["reads"]))
    except MissingJson:
        return ()
    except UncheckedJson as error:
        raise StudyError(
            f"{path} cannot be read ({error}). Expected the ledger of the test part, which counts how often it was "
            "opened. Restore it from a backup, or start over with --fresh."
        ) from error


def ledger_path(seal_path: Path) -> Path:
    return seal_path.with_name("ledger.json")


def _read(entry: Mapping[str, Any]) -> Read:
    return Read(**{**entry, "seeds": tuple(int(seed) for seed in entry["seeds"])})


def _question(read: Read) -> tuple[Any, ...]:
    return read.purpose, read.before, read.after, read.seeds


def _write(seal_path: Path, reads: list[Read]) -> None:
    write_checked(ledger_path(seal_path), {"reads": [asdict(read) for read in reads]}, indent=2)


def _archived(seal_path: Path, sealed: Seal) -> list[Path]:
    """Seals of the same study archived by --fresh; reads of the same test part count for the new study too."""
    folders = sorted(seal_path.parent.parent.glob(f"{seal_path.parent.name}_archived_*"))
    paths = [folder / seal_path.name for folder in folders if ARCHIVED.fullmatch(folder.name)]
    return [path for path in paths if path.exists() and read_seal_file(path).fingerprint == sealed.fingerprint]
