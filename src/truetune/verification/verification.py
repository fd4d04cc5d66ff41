"""What a verification compared, and what it measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from truetune.space import Value
from truetune.statistics.verdict import Verdict
from truetune.system.checksum import checksum
from truetune.task import Task
from truetune.trial import TrainingCourse


@dataclass(frozen=True)
class Candidate:
    """Hyperparameters by name, and the epochs to train them. `course` has the epochs and learning rates of every stage
    if the search recorded them.
    """

    values: Mapping[str, Value]
    epochs: int
    course: TrainingCourse | None = None

    @classmethod
    def of(cls, task: Task, values: Mapping[str, Value], course: TrainingCourse | None) -> Candidate:
        """As the search trained it, else in full."""
        if course is None:
            return cls(values, full_epochs(task, values))
        return cls(values, course.total, course if task.fit.changes_training else None)

    @property
    def digest(self) -> str:
        """The same for the same values and training."""
        content: dict[str, Any] = {"values": dict(self.values), "epochs": self.epochs}
        return checksum(content if self.course is None else {**content, "course": asdict(self.course)})


def full_epochs(task: Task, values: Mapping[str, Value]) -> int:
    """Epochs of a training that nothing cuts short: of all stages, or the task's, unless `values` have a number."""
    if task.fit.stages:
        return sum(stage.epochs_of(values) for stage in task.fit.stages)
    return int(values.get("epochs", task.epochs))


@dataclass(frozen=True)
class Verification:
    """What a verification measured.

    Attributes:
        verdict: the paired comparison of the metric that decides.
        metric: its name.
        seeds: of the trainings.
        metrics_before, metrics_after: every metric on all test rows, element i of both from `seeds[i]`.
        n_development, n_test: rows trained on, rows measured on.
        n_earlier_reads: how often the test part was opened for this study before.
        notes: what limits the verdict.
    """

    verdict: Verdict
    metric: str
    seeds: tuple[int, ...]
    metrics_before: tuple[Mapping[str, float], ...]
    metrics_after: tuple[Mapping[str, float], ...]
    n_development: int
    n_test: int
    n_earlier_reads: int = 0
    notes: tuple[str, ...] = ()

    @property
    def before(self) -> tuple[float, ...]:
        """Scores by the metric that decides, one a seed."""
        return tuple(metrics[self.metric] for metrics in self.metrics_before)

    @property
    def after(self) -> tuple[float, ...]:
        return tuple(metrics[self.metric] for metrics in self.metrics_after)

    @property
    def is_exploratory(self) -> bool:
        """Whether the test part was opened before, so that it may have been chosen by what it showed."""
        return self.n_earlier_reads > 0

    def __str__(self) -> str:
        lines = [f"{self.metric} on {self.n_test} sealed test rows", str(self.verdict)]
        if self.is_exploratory:
            times = "once" if self.n_earlier_reads == 1 else f"{self.n_earlier_reads} times"
            lines.append(
                f"Label:               exploratory: the test part was opened {times} before for this study. Who looks "
                "again may find what pleases by chance; new test data would tell."
            )
        return "\n".join([*lines, *self.notes, *self._table()])

    def _table(self) -> list[str]:
        """Every metric of the model, the one that decides first; means over the seeds."""
        names = sorted(set(self.metrics_before[0]) & set(self.metrics_after[0]), key=lambda n: (n != self.metric, n))
        width = max(map(len, names))
        lines = [f"{'':<{width + 2}}{'before':>9}{'after':>9}{'change':>9}"]
        for name in names:
            before, after = (fmean(m[name] for m in side) for side in (self.metrics_before, self.metrics_after))
            lines.append(f"  {name:<{width}}{before:>9.4f}{after:>9.4f}{after - before:>+9.4f}")
        return lines
