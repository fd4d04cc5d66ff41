"""What every searcher does: propose (`ask`), answer while the model is built, and learn (`tell`)."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from truetune.space import Hyperparameter, Space, Value
from truetune.trial import Decision, Suggestion, Trial


class NoSuggestion(Enum):
    """What `ask` returns when there is nothing to propose."""

    WAIT = "nothing until a running trial ends"
    EXHAUSTED = "nothing is left: the space or the schedule is exhausted"


@dataclass(frozen=True)
class Resume:
    """What `ask` returns to go on with the paused trial `number` from its checkpoint."""

    number: int


@dataclass(frozen=True)
class SearchProblem:
    """What a searcher must know before it starts.

    Attributes:
        space: as traced from the builder before the search; searchers may see further hyperparameters later.
        direction: "max" or "min".
        objective: its name, e.g. `val_accuracy`.
        max_trials: trials in all (finished ones of earlier runs included).
        epochs: epochs of a full training.
        seed: the study's seed; searchers derive theirs with `derive_seed(seed, ..., number)`.
        first: values (by key) of trial 0, today's configuration; empty means the defaults.
        grid_points: for grid search, how many points of a continuous range to take; None refuses such a range.
        steps_per_fold: where every trial is trained in several folds, epoch e of fold f (0 is the first) is reported
            as epoch `f * steps_per_fold + e`; 0 where there is one fold.
    """

    space: Space
    direction: str
    objective: str
    max_trials: int
    epochs: int
    seed: int
    first: tuple[tuple[str, Value], ...] = ()
    grid_points: int | None = None
    steps_per_fold: int = 0


class Searcher(abc.ABC):
    """One search algorithm. Single-threaded; owned by the study loop; never touches the record.

    Everything a searcher proposes is a function of (seed, trial number, the results so far), so that a search
    that was interrupted and `restore`d goes on exactly as the uninterrupted one.

    The loop's life of a trial::

        suggestion = searcher.ask(number)            # 1. propose
        value = searcher.answer(number, key, hp)     # 2. while building: each key the suggestion did not hold
        searcher.retract(number)                     # 3a. the values turned out to be those of an earlier trial:
        suggestion = searcher.ask(number, attempt=1) #     ask again under the same number
        searcher.accept(number, values)              # 3b. or: these are the values that train
        decision = searcher.report(number, epoch, v) # 4. after each epoch: go on, stop, or pause
        searcher.tell(trial)                         # 5. the end, in whatever state
    """

    name: str
    """As `--tuning-algorithm` spells it."""

    @abc.abstractmethod
    def ask(self, number: int, attempt: int = 0) -> Suggestion | Resume | NoSuggestion:
        """Propose the values of trial `number`; `attempt` counts the proposals retracted for this number.

        A searcher that pauses trials may return `Resume` for one of them. While there are paused trials it is asked
        when all numbers are given out, too; a new proposal is then retracted.
        """

    @abc.abstractmethod
    def answer(self, number: int, key: str, hyperparameter: Hyperparameter) -> Value:
        """The value of a hyperparameter that the suggestion of trial `number` did not hold."""

    @abc.abstractmethod
    def retract(self, number: int) -> None:
        """Forget the proposal of trial `number`."""

    @abc.abstractmethod
    def accept(self, number: int, values: dict[str, Value]) -> None:
        """`values` (by key, only those the builder used) are what trial `number` trains."""

    @abc.abstractmethod
    def report(self, number: int, epoch: int, value: float) -> Decision:
        """Learn the objective after `epoch` (1 is the first), and decide how the trial continues.

        Reports that are known already come again when a trial goes on from its checkpoint; the answer to those is
        not looked at. `PAUSE` is `GO_ON` where nothing would be left to go on with (the last epoch, or patience has
        run out), and for a builder with a `fit` of its own, which cannot be taken up again inside.
        """

    @abc.abstractmethod
    def tell(self, trial: Trial) -> None:
        """Learn how a trial ended. A failed trial, or a score that is not finite, never attracts the search.

        Told of a paused trial too (state PAUSED, with its reports), and again when that one has really ended.
        """

    def may_be_continued(self, number: int) -> bool:
        """Whether a later trial may still be given `number`, which has ended, as its parent. If not, the checkpoint
        goes. Asked of trials with a bracket only.
        """
        return True

    @abc.abstractmethod
    def restore(self, trials: Sequence[Trial]) -> None:
        """Take over the finished trials of an earlier run, in the order of their numbers. Called before any `ask`.

        A trial that was RUNNING when that run died is passed too (state RUNNING): it will be trained again with the
        values it has, and its end is passed to `tell`, without another `ask`. So is one that was PAUSED; it waits for
        `Resume`.
        """

    shares_study: ClassVar[bool] = False
    """Whether several processes may search one study, each with its own searcher that learns of the others' trials."""

    def observe(self, trial: Trial) -> None:
        """Take note of another process's trial that runs now (with its values), or has ended. `shares_study` only."""
        raise NotImplementedError(f"{type(self).__name__} does not share a study")

    def plan(self) -> list[str]:
        """Lines that describe the search before it starts."""
        return []
