"""The development rows as memory-mapped arrays, so that workers share one copy. Nothing is pickled.

Only development rows are ever written here: a worker cannot see the sealed test part. Each file is compared with its
checksum before it is used, so that a damaged array is never trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array, Arrays, Dataset, named
from truetune.errors import StorageError
from truetune.system.checked_json import UncheckedJson, read_checked, write_checked
from truetune.system.files import storage_error

_ARRAYS = ("X", "y")
_COLUMNS = ("groups", "parts")
"""What folds are drawn by; text is written as text of fixed width, so that nothing has to be pickled."""

_WEIGHTS = "sample_weight"

FILES = rf"(index\.json|({'|'.join((*_ARRAYS, *_COLUMNS, _WEIGHTS))})\.\d+\.npy)"
"""Names of the files of `save_development`, as a regular expression."""


def save_development(folder: Path, development: Dataset) -> None:
    """Write the rows that are not sealed into `folder`, one `.npy` an array.

    Raises:
        StorageError: the disk is full or read-only.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, development)
    except OSError as error:
        raise storage_error(folder, error) from error


def _write(folder: Path, development: Dataset) -> None:
    index: dict[str, Any] = {"main_output": development.main_output, "class_names": list(development.class_names)}
    for name in _ARRAYS:
        index[name] = _save(folder, name, getattr(development, name))
    for name in _COLUMNS:
        column = getattr(development, name)
        index[name] = None if column is None else _save(folder, name, _without_objects(column))
    weights = development.sample_weight
    index[_WEIGHTS] = None if weights is None else _save(folder, _WEIGHTS, weights)
    index["sha256"] = {path.name: _digest(path) for path in sorted(folder.glob("*.npy"))}
    write_checked(folder / "index.json", index)


def _without_objects(column: Array) -> Array:
    return column.astype(str) if column.dtype.kind == "O" else column


def load_development(folder: Path) -> Dataset:
    """What `save_development` wrote, memory-mapped.

    Raises:
        StorageError: it is damaged, or gone.
    """
    try:
        index = _index(folder)
        return _load_all(folder, index)
    except (UncheckedJson, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"The training data in {folder} cannot be used ({error}). Expected the workers' copy; rerun the same "
            "command to rewrite it. Nothing was lost."
        ) from error


def _index(folder: Path) -> dict[str, Any]:
    index = read_checked(folder / "index.json", dict)
    for name, digest in index["sha256"].items():
        if _digest(folder / name) != digest:
            raise ValueError(f"the checksum of {name} does not match")
    return index


def _load_all(folder: Path, index: Mapping[str, Any]) -> Dataset:
    groups, parts = (None if index[name] is None else _map(folder / index[name]) for name in _COLUMNS)
    return Dataset(
        _load(folder, index["X"]),
        _load(folder, index["y"]),
        groups=groups,
        class_names=tuple(index["class_names"]),
        main_output=index["main_output"],
        parts=parts,
        sample_weight=None if index["sample_weight"] is None else _load(folder, index["sample_weight"]),
    )


def _save(folder: Path, stem: str, arrays: Arrays) -> str | dict[str, str]:
    files = {}
    for number, (name, values) in enumerate(named(arrays).items()):
        files[name] = f"{stem}.{number}.npy"
        np.save(folder / files[name], np.ascontiguousarray(values), allow_pickle=False)
    return files if isinstance(arrays, Mapping) else files[""]


def _load(folder: Path, files: str | Mapping[str, str]) -> Arrays:
    if isinstance(files, str):
        return _map(folder / files)
    return {name: _map(folder / file) for name, file in files.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _map(path: Path) -> Array:
    values: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return values
