"""The seals of other studies in the same directory, whose test rows must not be tuned on.

Seals are in `<directory>/tuning/<study>/seal.json`. All studies share one test part: studies of the same data are
compared on the same rows, and none tunes on rows that another keeps for its verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from truetune.data.checks.row_hashes import HashedRows
from truetune.data.dataset import Array, Dataset
from truetune.data.sealing.seal_file import SealFile, read_seal_file
from truetune.data.splitting.splits import Split
from truetune.errors import StudyError

FOLDER = "tuning"
"""Seals share a test part only in this folder; a seal elsewhere stands alone."""

ARCHIVED = re.compile(r"(?P<name>.+)_archived_\d{8}T\d{12}")
"""The folder of a study archived by --fresh."""


def other_seals(path: Path) -> Iterator[tuple[str, SealFile]]:
    """(study, seal) of the studies beside the one whose seal is `path`, by name.

    Raises:
        StudyError: one of them is damaged, so that its sealed rows are unknown.
    """
    if path.parent.parent.name == FOLDER:
        for other in sorted(path.parent.parent.glob("*/seal.json")):
            if other != path:
                yield other.parent.name, read_seal_file(other)


def same_test_part(dataset: Dataset, path: Path, fingerprint: str) -> Split | None:
    """The test part that another study of the same data has sealed; None if there is none."""
    for _, other in other_seals(path):
        if other.fingerprint == fingerprint and _fits(other, len(dataset)):
            return _split(other.test_rows, len(dataset), other.by)
    return None


def same_rows(rows: HashedRows, path: Path) -> Split | None:
    """The test part that another study has sealed for the same features in the same order with other labels.

    None if there is none, or if it would put a group on both sides or a class into the test part only.
    """
    dataset = rows.dataset
    by = "row" if dataset.groups is None else "subject"
    for _, other in other_seals(path):
        if not _fits(other, len(dataset)) or len(other.row_hashes) != len(other.test_rows):
            continue
        if np.array_equal(rows.hashes[other.test_rows], other.row_hashes):
            split = _split(other.test_rows, len(dataset), by)
            return split if _is_fair(dataset, split) else None
    return None


def refuse_sealed_rows(development: HashedRows, path: Path, fingerprint: str) -> None:
    """Refuse to tune on rows that another study has sealed; archived studies no longer count.

    Raises:
        StudyError: names the number of rows, the study, the reason and the options.
    """
    others = [
        (name, seal)
        for name, seal in other_seals(path)
        if seal.fingerprint != fingerprint and len(seal.row_hashes) and not ARCHIVED.fullmatch(name)
    ]
    if not others:
        return
    n_rows = len(development.hashes)
    for name, seal in others:
        n_sealed = int(np.isin(development.hashes, seal.row_hashes).sum())
        if n_sealed:
            raise StudyError(
                f"{n_sealed} of the {n_rows} rows that this search would tune on are test rows of study "
                f"'{name}', sealed in {path.parent.parent / name / 'seal.json'}. Expected none, because that study's "
                "verdict needs unseen test rows. Use exactly the data of that study, or put these rows into the part "
                "'test' (Dataset.parts), or pass another --directory."
            )


def _fits(seal: SealFile, n_rows: int) -> bool:
    rows = seal.test_rows
    return rows.ndim == 1 and 0 < len(rows) < n_rows and bool(rows.min() >= 0) and bool(rows.max() < n_rows)


def _split(test_rows: Array, n_rows: int, by: str) -> Split:
    return Split(np.setdiff1d(np.arange(n_rows), test_rows), np.sort(test_rows), by)


def _is_fair(dataset: Dataset, split: Split) -> bool:
    groups = dataset.groups
    if groups is not None and np.isin(groups[split.held], groups[split.kept]).any():
        return False
    return not dataset.is_classification or bool(np.isin(dataset.labels[split.held], dataset.labels[split.kept]).all())
