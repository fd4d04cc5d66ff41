"""What the worker processes train: the trials of a search, or the re-trainings of its finalists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from truetune.space import Hyperparameter, Value
from truetune.study.budget import Limits
from truetune.training.messages import Host, Outcome, Request
from truetune.trial import TrialState
from truetune.workers.memory import Death


class Running(Protocol):
    """A training on its way.

    Attributes:
        began: on the monotonic clock.
    """

    began: float


R = TypeVar("R", bound=Running)


class Jobs(Protocol[R]):
    """Hands out trainings, answers them and records how they went; knows nothing of worker processes."""

    @property
    def limits(self) -> Limits:
        """How long a training may take."""

    @property
    def is_over(self) -> bool:
        """Whether the time is up also for what runs."""

    @property
    def has_more(self) -> bool:
        """Whether trainings are left to start here."""

    @property
    def waits_for_others(self) -> bool:
        """Whether what another process trains may become ours to do."""

    def next(self, worker: int) -> R | None:
        """What `worker` should train now; None when there is nothing (or nothing yet)."""

    def request(self, running: R) -> Request:
        """What the worker is sent."""

    def host(self, running: R) -> Host:
        """Answers the worker."""

    def known(self, running: R, hyperparameter: Hyperparameter) -> Value:
        """The value given to the builder of `running`. Raises Declined for one it did not request."""

    def fold_file(self, running: R, fold: int) -> Path:
        """Where a fold is left that another worker trains ahead."""

    def ended(self, running: R, outcome: Outcome | None) -> None:
        """Record how it went; `outcome` is None where nothing was trained."""

    def died(self, running: R, death: Death) -> None:
        """Its worker died: train it again, or record that it failed."""

    def close(self, running: Sequence[R]) -> None:
        """Nothing more is trained here; `running` are interrupted."""


def failure(running: Running, reason: str, cause: str) -> Outcome:
    """Of a training that has no outcome of its own; `cause` is one of `trial.CAUSES`."""
    seconds = time.monotonic() - running.began
    return Outcome(TrialState.FAILED, reason=reason, seconds=seconds, cause=cause)
