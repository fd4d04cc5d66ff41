"""What a record of studies has to do, in four small contracts and the one that joins them.

`truetune.testing.StorageContract` holds the tests that every implementation must pass.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from truetune.space import Hyperparameter, Space, Value
from truetune.storage.leases import Owner
from truetune.trial import FreshRun, PlannedRun, Trial


class LostTrial(Exception):
    """The trial belongs to another process by now, or has ended: what is known of it here must be dropped."""


class Metadata(abc.ABC):
    """What a study was made from. Damage raises StudyError in every method that reads."""

    @property
    @abc.abstractmethod
    def meta(self) -> dict[str, Any]:
        """What `set_meta` last wrote, with `discovered` since; empty for a new study."""

    @abc.abstractmethod
    def set_meta(self, meta: Mapping[str, Any]) -> None:
        """Write the description of the study; `discovered` is left out."""

    @abc.abstractmethod
    def discover(self, key: str, hyperparameter: Hyperparameter) -> None:
        """Keep a hyperparameter that the trace had not found, so that a resumed search knows it."""


class Trials(abc.ABC):
    """The trials of a study; each running one belongs to one process, and only that one may write it.

    A method that writes a trial raises LostTrial when it is another process's by now.
    """

    @abc.abstractmethod
    def trials(self) -> list[Trial]:
        """All trials by number. Raises StudyError when an ended one is not what was written."""

    @property
    @abc.abstractmethod
    def next_number(self) -> int:
        """The number that the next claim probably gets."""

    @abc.abstractmethod
    def claim(self, most: int) -> int | None:
        """The number of a new running trial of ours; None when the study has `most` trials.

        Over any number of processes each number is given once, without gaps.
        """

    @abc.abstractmethod
    def give_back(self, number: int) -> bool:
        """Undo a claim; False when it has to stay (later numbers were given), and then has to be ended."""

    @abc.abstractmethod
    def take(self, trial: Trial) -> bool:
        """Make a trial ours that this store read as RUNNING, with one more attempt; False when another was quicker."""

    @abc.abstractmethod
    def retry(self, number: int, attempt: int) -> None:
        """Record that our trial is restarted."""

    @abc.abstractmethod
    def leave_to_others(self, number: int) -> None:
        """It is another process's by now: `changes` returns how it goes on."""

    @abc.abstractmethod
    def free(self) -> None:
        """Leave our unfinished trials to whoever comes next. Does not wait for a record that cannot be written."""

    @abc.abstractmethod
    def start(self, trial: Trial, space: Space) -> None:
        """Record the values of a trial that starts to train. It is claimed here unless it was.

        Raises:
            StudyError: another process recorded this number.
        """

    @abc.abstractmethod
    def add_value(self, number: int, key: str, hyperparameter: Hyperparameter, value: Value) -> None:
        """Record a hyperparameter that `fit` asked for after the model was built."""

    @abc.abstractmethod
    def report(self, number: int, epoch: int, value: float) -> None:
        """Record the objective after `epoch`."""

    @abc.abstractmethod
    def finish(self, trial: Trial, space: Space, history: Mapping[str, list[float]] | None = None) -> None:
        """Record how a trial ended, or that it is paused. Without a `history`, the one that is recorded stays."""

    @abc.abstractmethod
    def thaw(self, trial: Trial) -> None:
        """Record that a paused trial of ours runs again."""

    @abc.abstractmethod
    def changes(self) -> list[Trial]:
        """Trials of others that are new, are built by now, or have ended since the last call; each as it is now."""


class Reevaluations(abc.ABC):
    """The trainings of finalists after the search."""

    @abc.abstractmethod
    def claim_fresh(self, planned: PlannedRun, alive: Collection[str]) -> bool:
        """Make a re-training ours; False if another owner has it who is `alive` (by token)."""

    @abc.abstractmethod
    def add_fresh(self, run: FreshRun) -> None:
        """Keep a re-training of a finalist; one of the same trial, stage and repeat takes its place."""

    @abc.abstractmethod
    def fresh_runs(self) -> list[FreshRun]:
        """By stage, trial and repeat. Raises StudyError when one is not what was written."""


class Heartbeats(abc.ABC):
    """The processes that work on a study, this one among them."""

    @property
    @abc.abstractmethod
    def owner(self) -> Owner:
        """This process."""

    @abc.abstractmethod
    def beat(self, count: int) -> None:
        """Record that we are alive: `count` differs from the last one."""

    @abc.abstractmethod
    def owners(self) -> dict[str, tuple[Owner, int]]:
        """The processes that work on the study or did, and the latest beat of each, by token."""

    @abc.abstractmethod
    def forget(self, tokens: Iterable[str]) -> None:
        """Remove dead processes from `owners`."""

    @abc.abstractmethod
    def leave(self) -> None:
        """Remove ourselves from `owners`. Does not wait for a record that cannot be written."""


class Store(Metadata, Trials, Reevaluations, Heartbeats):
    """The record of one study.

    Every method raises StorageError when the record cannot be reached or written.
    """

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Where the record is; it may hold a password."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Of the study."""

    @abc.abstractmethod
    def archive(self) -> str:
        """Keep the study under another name; returns that name. The store is of no use afterwards but to close it."""

    @abc.abstractmethod
    def discard(self) -> None:
        """Remove the study and everything in it. The store is of no use afterwards but to close it."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the database; the study stays."""
