"""What finished trainings of a verification measured, kept so that an interrupted one goes on."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array
from truetune.recipe import FitRecipe, Prepare, SetTrainable
from truetune.system.checked_json import UncheckedJson, read_checked, write_checked
from truetune.system.checksum import checksum

FOLDER = "verify"


@dataclass(frozen=True)
class Measured:
    """One training, measured on the test part.

    Attributes:
        metrics: on all test rows, by the names of `compile`, and the loss.
        resampled: those that can be added up, on drawn test clusters, shape (n_draws,) each.
        notes: what became of callbacks that cannot do here what they do in a search.
    """

    metrics: Mapping[str, float]
    resampled: Mapping[str, Array]
    notes: tuple[str, ...] = ()


def _measured(content: Mapping[str, Any]) -> Measured:
    """The inverse of `KeptTrainings.keep`."""
    resampled = {name: np.asarray(values) for name, values in content["resampled"].items()}
    return Measured(content["metrics"], resampled, tuple(content.get("notes", ())))


@dataclass(frozen=True)
class KeptTrainings:
    """Files `training_<key>.json` in the folder `verify` beside a seal.

    Attributes:
        folder: None keeps nothing.
        common: what all keys share: the data, the test part, the versions of the libraries.
    """

    folder: Path | None
    common: Mapping[str, Any]

    def find(self, key: Mapping[str, Any]) -> Measured | None:
        """What was kept for `key`; None where nothing was, or what was is damaged: then it is trained again."""
        if self.folder is None:
            return None
        try:
            return read_checked(self._path(key), _measured)
        except UncheckedJson:
            return None

    def keep(self, key: Mapping[str, Any], measured: Measured) -> None:
        """Raises StorageError."""
        if self.folder is None:
            return
        content: dict[str, Any] = {
            "key": {**self.common, **key},
            "metrics": dict(measured.metrics),
            "resampled": {name: values.tolist() for name, values in measured.resampled.items()},
        }
        if measured.notes:
            content["notes"] = list(measured.notes)
        write_checked(self._path(key), content)

    def _path(self, key: Mapping[str, Any]) -> Path:
        assert self.folder is not None
        return self.folder / f"training_{checksum({**self.common, **key})}.json"


def recipe_digest(recipe: FitRecipe) -> dict[str, Any]:
    """What a training depends on of a recipe, as far as it can be read; empty for a plain one."""
    if recipe == FitRecipe():
        return {}
    functions = [recipe.callbacks, *(part for stage in recipe.stages for part in (stage.prepare, stage.callbacks))]
    weights = recipe.class_weight
    return {
        "recipe": {
            "stages": [[stage.name, stage.epochs, stage.start_from, _named(stage.prepare)] for stage in recipe.stages],
            "functions": [source_digest(function) for function in functions if function is not None],
            "class_weight": source_digest(weights) if callable(weights) else str(weights),
        }
    }


def _named(prepare: Prepare | None) -> str:
    """What can be read of it without an address in memory."""
    if prepare is None or isinstance(prepare, SetTrainable):
        return str(prepare)
    return str(getattr(prepare, "__qualname__", type(prepare).__qualname__))


def source_digest(hypermodel: Any) -> str:
    """Of a builder's name and the file it is written in: who edits it gets other trainings. Empty without a file."""
    code = hypermodel if inspect.isroutine(hypermodel) or inspect.isclass(hypermodel) else type(hypermodel)
    try:
        file = inspect.getsourcefile(inspect.unwrap(code))
        source = "" if file is None else Path(file).read_text(encoding="utf-8")
    except (OSError, TypeError, UnicodeDecodeError):
        return ""
    return checksum({"name": code.__qualname__, "source": source}) if source else ""
