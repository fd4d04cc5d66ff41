"""Idle workers train folds of a running training ahead of its own worker: which ones, and who waits for whom.

The training's own worker goes through the folds from the first one on, and takes in what it finds trained; helpers take
the last fold that nobody has begun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic

from truetune.study.jobs import R
from truetune.training.messages import Request


@dataclass
class Assignment(Generic[R]):
    """What one worker trains, and who helps it.

    Attributes:
        running: what is trained.
        request: what its worker was sent.
        n_folds: 0 until it has begun one, which shows that its folds can be trained separately.
        begun: folds that its own worker has begun.
        ahead: folds that helpers train now.
        closed: folds that helpers have left, to their end or not.
        waits_for: the fold of a helper that its own worker waits for; None while it trains.
    """

    running: R
    request: Request
    n_folds: int = 0
    begun: set[int] = field(default_factory=set)
    ahead: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    waits_for: int | None = None

    @property
    def open_folds(self) -> list[int]:
        """Folds that a helper may take."""
        return [fold for fold in range(self.n_folds) if fold not in self.begun | self.ahead | self.closed]

    def may_begin(self, fold: int, n_folds: int) -> bool:
        """Its own worker comes to `fold`: False when it has to wait for a helper."""
        self.n_folds = n_folds
        self.begun.update(range(fold))  # of a trial that goes on in a later fold, the ones before have ended
        if fold in self.ahead:
            self.waits_for = fold
            return False
        self.begun.add(fold)
        return True

    def left(self, fold: int) -> bool:
        """A helper has ended; whether its own worker waited for that."""
        self.ahead.discard(fold)
        self.closed.add(fold)
        if self.waits_for != fold:
            return False
        self.waits_for = None
        self.begun.add(fold)
        return True


@dataclass
class Help(Generic[R]):
    """One fold that a helper trains; `is_called_off` when its training has ended without it."""

    training: Assignment[R]
    fold: int
    is_called_off: bool = False


def next_help(trainings: Iterable[Assignment[R]]) -> Help[R] | None:
    """The fold to train ahead next: of the training with the most open folds for each worker on it; None where no fold
    is open.
    """
    helpable = [training for training in trainings if training.open_folds]
    if not helpable:
        return None
    neediest = max(helpable, key=lambda training: len(training.open_folds) / (1 + len(training.ahead)))
    fold = neediest.open_folds[-1]
    neediest.ahead.add(fold)
    return Help(neediest, fold)
