"""The tasks that come with truetune, and how a task is found by name. A new task is one more entry in `TASKS`."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truetune.errors import InputError
from truetune.task import Task
from truetune.tasks.definition import TaskDefinition, TaskSettings
from truetune.tasks.own_task import FORMS, own_definition

DEFAULT_TASK = "eeg-emotion"


@dataclass(frozen=True)
class TaskEntry:
    """One task by name; nothing of it is imported before it is used.

    Attributes:
        summary: one line for `truetune tasks`.
        options: `module:class` of its options, a frozen dataclass in a module that imports no heavy library.
        factory: `module:function`. The function takes the options and a `TaskSettings`, loads the data, and returns a
            `Task`.
        config: `module:attribute` of its `ConfigMapping`, found without loading data.
        train_script: a script beside the config that is `truetune train` for this task; None where there is none.
    """

    summary: str
    options: str
    factory: str
    config: str
    train_script: str | None = None

    def definition(self, name: str) -> TaskDefinition:
        """How the task is made; imports its options and nothing else."""
        return TaskDefinition(
            name,
            make=self._make,
            find_mapping=lambda options: _referred(self.config),
            options=_referred(self.options),
        )

    def _make(self, options: Any, settings: TaskSettings) -> Task:
        task: Task = _referred(self.factory)(options, settings)
        return task


TASKS: Mapping[str, TaskEntry] = {
    "eeg-emotion": TaskEntry(
        summary="Emotions from EEG: a CNN with a BiLSTM on band powers; valence, arousal and emotion.",
        options="truetune.tasks.eeg_emotion.options:EmotionOptions",
        factory="truetune.tasks.eeg_emotion.task:make_task",
        config="truetune.tasks.eeg_emotion.mapping:EEG_EMOTION_MAPPING",
        train_script="train_emotion_model.py",
    ),
}


def definition_of(spec: str) -> TaskDefinition:
    """The task that `--task` names.

    Raises:
        InputError: there is none; for a user's own, see `own_definition`.
        BuildError: the user's own code raised.
    """
    if spec in TASKS:
        return TASKS[spec].definition(spec)
    source, _, attribute = spec.rpartition(":")
    if not source or not attribute:
        close = difflib.get_close_matches(spec, TASKS, n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise InputError(
            f"There is no task '{spec}'.{meant} Expected one of: {', '.join(TASKS)}; or your own as {FORMS}."
        )
    return own_definition(spec)


def _referred(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
