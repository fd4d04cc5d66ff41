"""What every part of a study shares: what was asked for, and what it works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from truetune.objective import Objective
from truetune.space import Space
from truetune.storage.base import Store
from truetune.storage.leases import Leases
from truetune.study.budget import Limits
from truetune.study.evaluation import Evaluation
from truetune.study.events import Observer


@dataclass(frozen=True)
class StudySettings:
    """What was asked for.

    Attributes:
        limits: when to stop, and how long a training may take.
        objective: what an improvement is.
        seed: the study's; seeds of trials and splits are derived from it.
        evaluation: in how many folds a trial is trained.
        max_parameters: larger models are not trained; None for no limit.
        keep: whose weights are kept, one of `options.KEEPS`.
    """

    limits: Limits
    objective: Objective
    seed: int = 0
    evaluation: Evaluation = field(default_factory=Evaluation)
    max_parameters: int | None = None
    keep: str = "none"


@dataclass(frozen=True)
class StudyContext:
    """What a study works with.

    Attributes:
        store: where everything is recorded.
        space: as traced; grows when a builder asks for more.
        observer: is called with what happens.
        checkpoints: folder of checkpoints, and of folds that idle workers train ahead.
        weights: folder of the weights that are kept.
        leases: judges other processes; None where there can be none.
        noted: lines of trainings that were shown already.
    """

    store: Store
    space: Space
    observer: Observer
    checkpoints: Path
    weights: Path
    leases: Leases | None = None
    noted: set[str] = field(default_factory=set)

    def note_once(self, line: str) -> None:
        """For a person; what every training would repeat is shown once."""
        if line not in self.noted:
            self.observer.note(line)
        self.noted.add(line)
