"""truetune: tune a Keras model, put the winner into its config, and know whether it really got better.

The public API is loaded on first use: `import truetune` loads neither TensorFlow nor Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from truetune.api import tune
    from truetune.config.apply import apply, undo
    from truetune.config.mapping import ConfigMapping
    from truetune.data.dataset import Dataset
    from truetune.errors import TruetuneError
    from truetune.recipe import FitRecipe, Stage, freeze, unfreeze
    from truetune.result import Result
    from truetune.results.export import BestHyperparameters
    from truetune.study.events import Observer
    from truetune.study.options import SearchOptions
    from truetune.task import Objective, Task

_HOMES = {
    "BestHyperparameters": "truetune.results.export",
    "ConfigMapping": "truetune.config.mapping",
    "Dataset": "truetune.data.dataset",
    "FitRecipe": "truetune.recipe",
    "Objective": "truetune.task",
    "Observer": "truetune.study.events",
    "Result": "truetune.result",
    "SearchOptions": "truetune.study.options",
    "Stage": "truetune.recipe",
    "Task": "truetune.task",
    "TruetuneError": "truetune.errors",
    "apply": "truetune.config.apply",
    "freeze": "truetune.recipe",
    "tune": "truetune.api",
    "undo": "truetune.config.apply",
    "unfreeze": "truetune.recipe",
}

__all__ = [
    "BestHyperparameters",
    "ConfigMapping",
    "Dataset",
    "FitRecipe",
    "Objective",
    "Observer",
    "Result",
    "SearchOptions",
    "Stage",
    "Task",
    "TruetuneError",
    "apply",
    "freeze",
    "tune",
    "undo",
    "unfreeze",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'truetune' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
