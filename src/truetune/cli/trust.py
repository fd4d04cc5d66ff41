"""Which task an exported winner may name: one of truetune's, or one that was tuned here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from truetune.errors import InputError

if TYPE_CHECKING:
    from truetune.results.export import BestHyperparameters
    from truetune.tasks.choice import TaskChoice


MODELS = Path("models")


def task_of(winner: BestHyperparameters, path: Path, override: str | None = None) -> TaskChoice:
    """The task and options named by `winner`, read from `path`, unless `override` names another task.

    A task of a user's own is a Python file, which is run when it is loaded. So the name of one is taken from a JSON
    file only if the record beside it shows that the study used that very task.

    Raises:
        InputError: it names a user's task on which no search was run here.
    """
    from truetune.tasks.choice import TaskChoice
    from truetune.tasks.registry import TASKS

    choice = TaskChoice.from_source(winner.metadata.data.source)
    if override is not None:
        return choice if override == choice.task_spec else TaskChoice(override)
    spec, name = choice.task_spec, winner.metadata.study_name
    if spec is None or spec in TASKS or any(spec == _recorded(url, name) for url in _records(path)):
        return choice
    raise InputError(
        f"{path} names the task {spec}, but no study '{name}' beside it (or in $TRUETUNE_STORAGE) used that task, so "
        f"the file was not run. Expected a winner exported here; if you trust it, pass --task {spec}."
    )


def _records(path: Path) -> Iterator[str]:
    """URLs of the databases of this machine's own searches."""
    from truetune.storage.database import sqlite_url

    if os.environ.get("TRUETUNE_STORAGE"):
        yield os.environ["TRUETUNE_STORAGE"]
    for folder in dict.fromkeys([path.parent, MODELS]):
        if (database := folder / "tuning" / "optuna.db").exists():
            yield sqlite_url(database)


def _recorded(url: str, name: str) -> str | None:
    """The task of a study, from its record."""
    from truetune.storage.store import open_store, study_exists

    if not study_exists(url, name):
        return None
    store = open_store(url, name)
    try:
        spec = store.meta.get("source", {}).get("task_spec")
        return None if spec is None else str(spec)
    finally:
        store.close()
