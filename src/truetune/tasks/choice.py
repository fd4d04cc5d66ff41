"""Which task, on which data: what the command line was given, and what the record keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truetune.errors import InputError

if TYPE_CHECKING:
    from truetune.config.mapping import ConfigMapping
    from truetune.data.grouping import Grouping
    from truetune.task import Task

DEFAULT_TASK = "eeg-emotion"
DATA = Path("data")


@dataclass(frozen=True)
class TaskChoice:
    """A task and its data, by name; None where nothing was said.

    Attributes:
        task_spec: name of a task of truetune's, or `file.py:attribute` with a `Task` in it.
        data: folder or file.
        label: column to predict.
        sfreq: sampling rate in Hz.
        use_dummy_data: made-up signals instead of data.
        objective: metric that decides.
        epochs: most epochs of one trial.
        groups: level or column that never crosses a split.
        rows_are_independent: no rows belong together.
    """

    task_spec: str | None = None
    data: Path | None = None
    label: str | None = None
    sfreq: float | None = None
    use_dummy_data: bool = False
    objective: str | None = None
    epochs: int | None = None
    groups: str | None = None
    rows_are_independent: bool = False

    @classmethod
    def from_source(cls, source: Mapping[str, Any] | None) -> TaskChoice:
        """The inverse of `source`."""
        fields = dict(source or {})
        if fields.get("data") is not None:
            fields["data"] = Path(fields["data"])
        return cls(**{name: value for name, value in fields.items() if name in cls.__dataclass_fields__})

    def source(self) -> dict[str, Any]:
        """For the record: what was said, JSON-ready."""
        said = {name: value for name, value in asdict(self).items() if value not in (None, False)}
        said["task_spec"] = self.task_spec or DEFAULT_TASK
        return {name: str(value) if isinstance(value, Path) else value for name, value in said.items()}

    def or_else(self, earlier: TaskChoice) -> TaskChoice:
        """What was said now, else what was said `earlier`; other data or another task forget all of it."""
        names = [name for name in self.__dataclass_fields__ if getattr(self, name) in (None, False)]
        if self.data is not None or self.use_dummy_data:
            names = [name for name in names if name not in ("data", "use_dummy_data")]
        if self.groups is not None or self.rows_are_independent:
            names = [name for name in names if name not in ("groups", "rows_are_independent")]
        return replace(self, **{name: getattr(earlier, name) for name in names})

    def with_default_data(self) -> TaskChoice:
        """`data/`, when it is there and nothing else was said."""
        if self.data is None and not self.use_dummy_data and DATA.is_dir():
            return replace(self, data=DATA)
        return self

    def make(self, cache_dir: Path) -> Task:
        """Load the data and make the task.

        Raises:
            InputError: there is no such task, no data were given, or both groups and independent rows.
            DataError: the data cannot be used.
        """
        from truetune.data.grouping import Grouping
        from truetune.tasks.registry import TASKS, load_task

        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"epochs={self.epochs} was given. Expected at least 1.")
        name, grouping = self.task_spec or DEFAULT_TASK, Grouping(self.groups, self.rows_are_independent)
        if name not in TASKS:
            return self._adjusted(load_task(name), grouping)
        return TASKS[name].make(
            self.data,
            label=self.label,
            sfreq=self.sfreq,
            dummy=self.use_dummy_data,
            objective=self.objective,
            epochs=self.epochs,
            cache_dir=cache_dir,
            grouping=grouping,
        )

    def _adjusted(self, task: Task, grouping: Grouping) -> Task:
        """A user's own task brings its own data and objective; its data are loaded here, once."""
        from truetune.tasks.registry import users_own

        said = [name for name in ("data", "label", "sfreq", "objective", "use_dummy_data") if getattr(self, name)]
        if said:
            options = ", ".join("--" + name.replace("_", "-") for name in said)
            raise InputError(
                f"{self.task_spec} brings its own data and objective, but {options} was given. Leave it out, or change "
                "it in that file."
            )
        if self.epochs and task.fit.stages:
            raise InputError(
                f"{self.task_spec} trains in {len(task.fit.stages)} stages, but --epochs {self.epochs} was given. "
                "Leave it out, and change the epochs of the stages in that file."
            )
        grouped = replace(task, data=partial(_grouped, task.data, grouping))
        data = users_own(f"The data of {self.task_spec}", grouped.load)
        return replace(task, data=data, epochs=self.epochs or task.epochs)

    def mapping(self) -> ConfigMapping | None:
        """How the task's hyperparameters map to `config.py`; None uses upper-case names."""
        from truetune.tasks.registry import TASKS, load_task

        name = self.task_spec or DEFAULT_TASK
        return TASKS[name].mapping() if name in TASKS else load_task(name).mapping


def _grouped(data: Any, grouping: Grouping) -> Any:
    """A user's own data, grouped as was said before they are checked; what is no Dataset is left to `Task.load`."""
    from truetune.data.dataset import Dataset

    dataset = data() if callable(data) else data
    return grouping.of(dataset) if isinstance(dataset, Dataset) else dataset
