"""Which task, with which options: what the command line was given, and what the record keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truetune.errors import InputError
from truetune.tasks.registry import DEFAULT_TASK, definition_of

if TYPE_CHECKING:
    from truetune.config.mapping import ConfigMapping
    from truetune.task import Task
    from truetune.tasks.definition import TaskDefinition


@dataclass(frozen=True)
class TaskChoice:
    """A task by name and what it is made from; None where nothing was given.

    Attributes:
        task_spec: name of a built-in task, or `file.py:attribute`.
        options: the task's own options that were given, by field name.
        epochs: maximum epochs per trial.
        groups: level or column that never crosses a split.
        rows_are_independent: no rows belong together.
    """

    task_spec: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    groups: str | None = None
    rows_are_independent: bool = False

    @classmethod
    def from_source(cls, source: Mapping[str, Any] | None) -> TaskChoice:
        """The inverse of `source`: what is no field here is an option of the task."""
        recorded = dict(source or {})
        shared = {name: recorded.pop(name) for name in _SHARED if name in recorded}
        return cls(**shared, options=recorded)

    def source(self) -> dict[str, Any]:
        """For the record: the given options in one mapping, JSON-ready."""
        given = {name: getattr(self, name) for name in _SHARED if getattr(self, name) not in (None, False)}
        return {**given, "task_spec": self.spec, **self.definition().resolved(self.options)}

    @property
    def spec(self) -> str:
        """The task's name."""
        return self.task_spec or DEFAULT_TASK

    def definition(self) -> TaskDefinition:
        """How the task is made. Raises InputError: there is no such task."""
        return definition_of(self.spec)

    def or_else(self, earlier: TaskChoice) -> TaskChoice:
        """These options, completed by `earlier` ones unless the task differs."""
        if self.task_spec not in (None, earlier.task_spec):
            return self
        names = [name for name in _SHARED if getattr(self, name) in (None, False)]
        if self.groups is not None or self.rows_are_independent:
            names = [name for name in names if name not in ("groups", "rows_are_independent")]
        chosen = replace(self, **{name: getattr(earlier, name) for name in names})
        replaced = {
            other
            for option in chosen.definition().declared
            if option.name in self.options
            for other in option.instead_of
        }
        kept = {name: value for name, value in earlier.options.items() if name not in replaced}
        return replace(chosen, options={**kept, **self.options})

    def make(self, cache_dir: Path) -> Task:
        """Load the data and make the task.

        Raises:
            InputError: there is no such task, an option that it does not have, or both groups and independent rows.
            DataError: the data cannot be used.
        """
        from truetune.data.grouping import Grouping
        from truetune.tasks.definition import TaskSettings

        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"epochs={self.epochs} was given. Expected at least 1.")
        grouping = Grouping(self.groups, self.rows_are_independent)
        return self.definition().task(self.options, TaskSettings(self.epochs, grouping, cache_dir))

    def mapping(self) -> ConfigMapping | None:
        """How the task's hyperparameters map to a config; None uses upper-case names."""
        return self.definition().mapping(self.options)


_SHARED = ("task_spec", "epochs", "groups", "rows_are_independent")
