"""What a search is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from truetune.storage.paths import StudyPlace
from truetune.study.events import Observer
from truetune.study.options import SearchOptions
from truetune.task import Task
from truetune.training.messages import TrainingTask


@dataclass(frozen=True)
class SearchRequest:
    """What is tuned, how, and who watches.

    Attributes:
        task: what is tuned.
        options: how.
        observer: is called with what happens.
        source: how the task was made, for the record.
    """

    task: Task
    options: SearchOptions
    observer: Observer
    source: Mapping[str, Any] = field(default_factory=dict)

    def place(self, is_dummy: bool) -> StudyPlace:
        """Where the study is written; synthetic data have studies of their own."""
        options = self.options
        name = options.name_for(self.task.study_prefix or self.task.name, is_dummy)
        return StudyPlace.of(options.directory, name, options.storage)

    @property
    def training_task(self) -> TrainingTask:
        """The part that workers need."""
        task, options = self.task, self.options
        return TrainingTask(
            task.hypermodel,
            task.objective,
            task.epochs,
            task.patience,
            task.preprocessing,
            options.evaluation_protocol,
            options.seed,
            task.fit,
        )
