"""A model, its optimizer and its progress in one `.npz`, so that training can go on later. Nothing is pickled."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from truetune.atomic import write_atomically
from truetune.data.dataset import Array
from truetune.errors import StudyError


@dataclass
class Progress:
    """Where training stands.

    Attributes:
        epoch: epochs trained.
        best_score, best_epoch: of the best epoch so far; None and 0 before the first.
        wait: epochs since then.
        best_weights: `model.get_weights()` of that epoch.
    """

    epoch: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    wait: int = 0
    best_weights: list[Array] = field(default_factory=list)


def save_checkpoint(path: Path, model: Any, progress: Progress) -> None:
    """Write all variables of model (dropout's seed states included) and optimizer, and `progress`, atomically."""
    arrays = {f"model_{i}": np.asarray(v) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(model.optimizer.variables)}
    arrays |= {f"best_{i}": w for i, w in enumerate(progress.best_weights)}
    numbers = {name: value for name, value in asdict(progress).items() if name != "best_weights"}
    arrays["progress"] = np.frombuffer(json.dumps(numbers).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, model: Any) -> Progress:
    """Put the saved state into a freshly built `model` of the same shape.

    Raises:
        StudyError: the file is damaged, or belongs to another model.
    """
    try:
        with np.load(path, allow_pickle=False) as saved:
            model.optimizer.build(model.trainable_variables)
            _assign(model.variables, _numbered(saved, "model"))
            _assign(model.optimizer.variables, _numbered(saved, "optimizer"))
            numbers = json.loads(saved["progress"].tobytes())
            return Progress(**numbers, best_weights=_numbered(saved, "best"))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise StudyError(
            f"The checkpoint {path} cannot be loaded ({error}). Remove it; the trial is then trained from its start."
        ) from error


def _numbered(saved: Any, kind: str) -> list[Array]:
    """All arrays of that kind: a file of a larger model is not taken for one of this."""
    return [saved[f"{kind}_{i}"] for i in range(sum(name.startswith(f"{kind}_") for name in saved.files))]


def _assign(variables: Any, values: list[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
