"""Training and validation rows as memory-mapped arrays, so that workers share one copy. Nothing is pickled.

Only development rows are ever written here: a worker cannot see the sealed test part. Each file is compared with its
checksum before it is used, so that a damaged array is never trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from truetune.atomic import storage_error
from truetune.checksum import checksum
from truetune.data.dataset import Array, Arrays, Dataset, named
from truetune.errors import StorageError

_PARTS = ("train", "validation")


def save_parts(folder: Path, train: Dataset, validation: Dataset) -> None:
    """Write both parts into `folder`, one `.npy` an array.

    Raises:
        StorageError: the disk is full or read-only.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_parts(folder, train, validation)
    except OSError as error:
        raise storage_error(folder, error) from error


def _write_parts(folder: Path, train: Dataset, validation: Dataset) -> None:
    index: dict[str, Any] = {"main_output": train.main_output, "class_names": list(train.class_names)}
    for part, dataset in zip(_PARTS, (train, validation), strict=True):
        for field, arrays in (("X", dataset.X), ("y", dataset.y)):
            index[f"{part}.{field}"] = _save(folder, f"{part}.{field}", arrays)
    index["sha256"] = {path.name: _digest(path) for path in sorted(folder.glob("*.npy"))}
    (folder / "index.json").write_text(json.dumps({**index, "checksum": checksum(index)}), encoding="utf-8")


def load_parts(folder: Path) -> tuple[Dataset, Dataset]:
    """What `save_parts` wrote, memory-mapped.

    Raises:
        StorageError: it is damaged, or gone.
    """
    try:
        index = _index(folder)
        return _load_parts(folder, index)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"The training data in {folder} cannot be used ({error}). They are a copy for the workers: run the same "
            "command again, which writes them anew. Nothing was lost."
        ) from error


def _index(folder: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    if index.pop("checksum") != checksum(index):
        raise ValueError("the checksum of index.json does not fit")
    for name, digest in index["sha256"].items():
        if _digest(folder / name) != digest:
            raise ValueError(f"the checksum of {name} does not fit")
    return index


def _load_parts(folder: Path, index: Mapping[str, Any]) -> tuple[Dataset, Dataset]:
    train, validation = (
        Dataset(
            _load(folder, index[f"{part}.X"]),
            _load(folder, index[f"{part}.y"]),
            class_names=tuple(index["class_names"]),
            main_output=index["main_output"],
        )
        for part in _PARTS
    )
    return train, validation


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
