"""A retrained model on disk: the model, its history, and its preprocessing, without pickle."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.reading.bounds import load_npz
from truetune.errors import DataError
from truetune.space import Value
from truetune.system.files import storage_error, write_atomically
from truetune.task import Preprocessing

NUMERIC = "biuf"


@dataclass(frozen=True)
class Retrained:
    """A trained model and all that is needed to use it on new rows.

    Attributes:
        model: trained, compiled.
        values: the hyperparameters it was built and fitted with, by name.
        epochs, seed: how it was trained.
        n_rows: rows it was trained on.
        history: logged values per epoch.
        transform: applies the preprocessing that was fitted on the training rows to datasets.
        transformers: the fitted transformers by input name ("" for a single input); empty without preprocessing.
        notes: what became of callbacks that cannot do here what they do in a search.
    """

    model: Any
    values: Mapping[str, Value]
    epochs: int
    seed: int
    n_rows: int
    history: Mapping[str, list[float]]
    transform: Callable[..., list[Dataset]] = field(repr=False)
    transformers: Mapping[str, Preprocessing] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainedFiles:
    """Where a model was written.

    Attributes:
        model: Keras' own format.
        history: JSON: hyperparameters, epochs, seed, logged values per epoch.
        preprocessing: NumPy archive of the fitted parameters, e.g. mean and scale of every feature; None where the
            task has no preprocessing, or one whose fitted state is more than arrays.
    """

    model: Path
    history: Path
    preprocessing: Path | None


def save(retrained: Retrained, directory: Path, name: str) -> TrainedFiles:
    """Write `<name>_model.keras`, `<name>_model_history.json` and `<name>_model_preprocessing.npz`, each atomically.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    model = directory / f"{name}_model.keras"
    history = directory / f"{name}_model_history.json"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _save_model(retrained.model, model)
    except OSError as error:
        raise storage_error(model, error) from error
    write_atomically(history, _history(retrained))
    return TrainedFiles(model, history, _save_preprocessing(retrained, directory / f"{name}_model_preprocessing.npz"))


def _save_model(model: Any, path: Path) -> None:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.keras")
    try:
        model.save(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _history(retrained: Retrained) -> bytes:
    content = {
        "hyperparameters": dict(retrained.values),
        "epochs": retrained.epochs,
        "seed": retrained.seed,
        "n_rows": retrained.n_rows,
        "history": retrained.history,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _save_preprocessing(retrained: Retrained, path: Path) -> Path | None:
    """Nothing is written that would not load again; an archive of an earlier model is removed rather than left."""
    arrays = {
        f"{name}|{attribute}": value
        for name, transformer in retrained.transformers.items()
        for attribute, value in fitted_arrays(transformer).items()
    }
    if not arrays or not all(_is_all_arrays(t) for t in retrained.transformers.values()):
        path.unlink(missing_ok=True)
        return None
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomically(path, buffer.getvalue())
    return path


def fitted_arrays(transformer: Preprocessing) -> dict[str, np.ndarray]:
    """What scikit-learn's transformers learn: attributes that end in `_`, as far as they are numbers."""
    fitted = {name: np.asarray(value) for name, value in _fitted(transformer).items()}
    return {name: value for name, value in fitted.items() if value.dtype.kind in NUMERIC}


def _fitted(transformer: Preprocessing) -> dict[str, Any]:
    return {name: value for name, value in vars(transformer).items() if name.endswith("_") and not name.startswith("_")}


def _is_all_arrays(transformer: Preprocessing) -> bool:
    return set(fitted_arrays(transformer)) == {name for name in _fitted(transformer) if name != "feature_names_in_"}


def load_preprocessing(path: Path, make: Callable[[], Preprocessing]) -> dict[str, Preprocessing]:
    """The fitted transformers by input name, from what `save` wrote.

    Args:
        path: the `.npz` archive.
        make: makes an unfitted transformer, as in `Task.preprocessing`.

    Raises:
        DataError: the archive cannot be read.
    """
    try:
        arrays = load_npz(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as a preprocessing archive ({error}). Expected the .npz file written beside the "
            "model; retrain to write it again."
        ) from error
    transformers: dict[str, Preprocessing] = {}
    for key, value in arrays.items():
        name, attribute = key.split("|", 1)
        setattr(transformers.setdefault(name, make()), attribute, value[()])
    return transformers
