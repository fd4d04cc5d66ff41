"""How a task is made: from its options, and from the settings that every task has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truetune.data.grouping import UNSAID, Grouping
from truetune.task import Task
from truetune.tasks.chosen import build, given
from truetune.tasks.declaration import Option
from truetune.tasks.fields import options_of

if TYPE_CHECKING:
    from truetune.config.mapping import ConfigMapping


@dataclass(frozen=True)
class TaskSettings:
    """The settings that every task has.

    Attributes:
        epochs: the most epochs of one trial; None is the task's own number.
        grouping: which rows belong together, if the data do not declare it or to override them.
        cache_dir: where extracted features are kept; None keeps none.
    """

    epochs: int | None = None
    grouping: Grouping = UNSAID
    cache_dir: Path | None = None


@dataclass(frozen=True)
class TaskDefinition:
    """A task before its data are loaded.

    Attributes:
        name: as `--task` spells it.
        make: loads the data and makes the task; takes the options (None for a task without) and the settings.
        find_mapping: how hyperparameters map to keys of a config, found without loading data; None uses upper-case
            names. Takes the options.
        options: the frozen dataclass of its options; None for a task without.
    """

    name: str
    make: Callable[[Any, TaskSettings], Task]
    find_mapping: Callable[[Any], ConfigMapping | None]
    options: type | None = None

    @property
    def declared(self) -> tuple[Option, ...]:
        """The options, in their order. Raises InputError: they are declared wrongly."""
        return () if self.options is None else options_of(self.options)

    def choose(self, values: Mapping[str, Any]) -> Any:
        """The options, from the values given by field name. Raises InputError: see `chosen.build`."""
        return build(_NoOptions if self.options is None else self.options, values, self.name)

    def resolved(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All that differs from the defaults, checked and JSON-ready, by field name."""
        return given(self.choose(values))

    def task(self, values: Mapping[str, Any], settings: TaskSettings) -> Task:
        """Load the data and make the task. Raises InputError: options or data that cannot be used."""
        options = self.choose(values)
        task = self.make(None if self.options is None else options, settings)
        return replace(task, options=options) if self.options is not None and task.options is None else task

    def mapping(self, values: Mapping[str, Any]) -> ConfigMapping | None:
        """How hyperparameters map to keys of a config."""
        return self.find_mapping(None if self.options is None else self.choose(values))


@dataclass(frozen=True)
class _NoOptions:
    """Of a task without options; any value is one too many."""
