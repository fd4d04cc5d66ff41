"""Options of `tune` that belong elsewhere, or are misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from truetune.errors import OptionError

_FIT = "Task(…, fit=truetune.FitRecipe({}))"
_BELONGS = {
    "callbacks": "a function that makes them: " + _FIT.format("callbacks=lambda: [...]"),
    "class_weight": _FIT.format('class_weight="balanced"'),
    "epochs": "Task(…, epochs=30)",
    "max_epochs": "Task(…, epochs=30)",
    "patience": "Task(…, patience=8)",
    "objective": 'Task(…, objective="val_accuracy")',
    "hypermodel": "Task(name, build, data, objective)",
    "x": "Task(…, data=truetune.Dataset(X, y))",
    "y": "Task(…, data=truetune.Dataset(X, y))",
    "validation_data": 'Dataset(X, y, parts=parts), with "train", "validation" or "test" for each row',
    "validation_split": 'tune(task, protocol="holdout"), which draws it; or Dataset(X, y, parts=parts)',
    "sample_weight": "Dataset(X, y, sample_weight=weights)",
    "groups": "Dataset(X, y, groups=groups)",
    "executions_per_trial": "tune(task, fresh_runs=3), which trains the finalists again with other seeds",
    "project_name": 'tune(task, study_name="...")',
    "overwrite": "tune(task, fresh=True)",
    "n_trials": "tune(task, max_trials=30)",
    "tuner": 'tune(task, algorithm="tpe")',
    "logger": "tune(task, observer=...), a truetune.Observer",
}
"""What other tools take there, and the line to write."""


def check_names(given: Iterable[str], known: Sequence[str]) -> None:
    """Raises OptionError for the first of `given` that is not `known`, with the line to write."""
    for name in given:
        if name not in known:
            raise OptionError(f"tune() has no option '{name}'. {_advice(name, known)}")


def _advice(name: str, known: Sequence[str]) -> str:
    if name in _BELONGS:
        return f"Expected: {_BELONGS[name]}."
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Expected one of: {', '.join(known)}."
