"""truetune: tune a Keras model, put the winner into its config, and know whether it really got better.

The public API is loaded on first use: `import truetune` loads neither TensorFlow nor Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from truetune import errors as errors
    from truetune import metrics as metrics
    from truetune import testing as testing
    from truetune.api import tune
    from truetune.config.apply import apply, undo
    from truetune.config.mapping import ConfigMapping
    from truetune.data.dataset import Dataset
    from truetune.errors import TruetuneError
    from truetune.objective import Objective
    from truetune.recipe import FitRecipe, Stage, freeze, unfreeze
    from truetune.result import Result
    from truetune.results.export import BestHyperparameters
    from truetune.search.base import NoSuggestion, Resume, Searcher
    from truetune.study.events import Observer
    from truetune.study.options import SearchOptions
    from truetune.task import Task
    from truetune.tasks.declaration import option
    from truetune.trial import Decision, Suggestion, Trial

_HOMES = {
    "BestHyperparameters": "truetune.results.export",
    "ConfigMapping": "truetune.config.mapping",
    "Dataset": "truetune.data.dataset",
    "Decision": "truetune.trial",
    "NoSuggestion": "truetune.search.base",
    "FitRecipe": "truetune.recipe",
    "Objective": "truetune.objective",
    "Observer": "truetune.study.events",
    "Result": "truetune.result",
    "Resume": "truetune.search.base",
    "SearchOptions": "truetune.study.options",
    "Searcher": "truetune.search.base",
    "Suggestion": "truetune.trial",
    "Stage": "truetune.recipe",
    "Task": "truetune.task",
    "Trial": "truetune.trial",
    "TruetuneError": "truetune.errors",
    "apply": "truetune.config.apply",
    "option": "truetune.tasks.declaration",
    "freeze": "truetune.recipe",
    "tune": "truetune.api",
    "undo": "truetune.config.apply",
    "unfreeze": "truetune.recipe",
}

_MODULES = ("errors", "metrics", "testing")
"""Public modules, which `import truetune` alone makes reachable."""

__all__ = [
    "BestHyperparameters",
    "ConfigMapping",
    "Dataset",
    "Decision",
    "FitRecipe",
    "NoSuggestion",
    "Objective",
    "Observer",
    "Result",
    "Resume",
    "SearchOptions",
    "Searcher",
    "Stage",
    "Suggestion",
    "Task",
    "Trial",
    "TruetuneError",
    "apply",
    "freeze",
    "option",
    "tune",
    "undo",
    "unfreeze",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"truetune.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'truetune' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
