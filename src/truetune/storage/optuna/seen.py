"""What a process has seen of a study's trials, so that it reads only what may have changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from optuna.trial import TrialState as OptunaState

Row = tuple[int, int, OptunaState]
"""Trial id, number, state."""


@dataclass
class SeenTrials:
    """Numbers of trials.

    Attributes:
        ids: Optuna's trial id by number.
        mine: unfinished trials of this process.
        unfinished: those of others: they are read again.
        next_unseen: all before it are known.
    """

    ids: dict[int, int] = field(default_factory=dict)
    mine: set[int] = field(default_factory=set)
    unfinished: set[int] = field(default_factory=set)
    next_unseen: int = 0

    def read(self, rows: Iterable[Row]) -> None:
        """Rows were read, which may be new."""
        for trial_id, number, state in rows:
            self.ids[number] = trial_id
            self.next_unseen = max(self.next_unseen, number + 1)
            if number in self.mine:
                continue
            if state.is_finished():
                self.unfinished.discard(number)
            else:
                self.unfinished.add(number)

    def claimed(self, trial_id: int, number: int) -> None:
        """A new trial is ours; those before it were given to others since the last look."""
        self.ids[number] = trial_id
        self.mine.add(number)
        self.unfinished |= set(range(self.next_unseen, number))
        self.next_unseen = max(self.next_unseen, number + 1)

    def given_back(self, number: int) -> None:
        """There is no such trial any more."""
        del self.ids[number]
        self.ended(number)
        self.next_unseen = min(self.next_unseen, number)

    def ended(self, number: int) -> None:
        """It is nobody's any more."""
        self.mine.discard(number)
        self.unfinished.discard(number)

    def lost(self, number: int) -> None:
        """Ours became another process's."""
        self.mine.discard(number)
        self.unfinished.add(number)
