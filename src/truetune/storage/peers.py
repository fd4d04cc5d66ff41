"""What other processes do with the study, learned from the record; and what dead ones left, taken over."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from truetune.storage.base import Store
from truetune.storage.leases import Leases
from truetune.trial import Trial, TrialState

LOOK_SECONDS = 0.5
"""How often the record is read for what other processes did."""


class OtherProcesses:
    """The trials of a study that are not trained here.

    Args:
        store: where they are read.
        leases: judges who is alive; None where nobody else can be.
        trials: what is known already.
    """

    def __init__(self, store: Store, leases: Leases | None, trials: Iterable[Trial]) -> None:
        self._store, self._leases = store, leases
        known = list(trials)
        self._ended = {t.number for t in known if t.state.is_finished}
        self._built = {t.number for t in known if t.is_built}
        self.running = {t.number: t for t in known if t.state is TrialState.RUNNING}
        self._next_look = 0.0

    def look_at_once(self) -> None:
        """Do not wait for the next `LOOK_SECONDS`."""
        self._next_look = 0.0

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._next_look

    def news(self) -> list[Trial]:
        """Trials of others that were built or ended since the last look."""
        changed = self._store.changes()
        self._next_look = time.monotonic() + LOOK_SECONDS
        return [trial for trial in changed if self._is_news(trial)]

    def _is_news(self, trial: Trial) -> bool:
        if trial.number in self._ended:
            return False
        if trial.state.is_finished:
            self.running.pop(trial.number, None)
            self._ended.add(trial.number)
            return True
        if trial.state is TrialState.PAUSED:
            return False
        self.running[trial.number] = trial
        is_news = trial.is_built and trial.number not in self._built
        if is_news:
            self._built.add(trial.number)
        return is_news

    def take_over(self) -> list[Trial]:
        """Make the trials of dead processes ours; each with one more attempt."""
        if not self.running:
            return []
        owners = self._store.owners()
        dead = self._leases.dead(owners) if self._leases else set(owners) - {self._store.owner.token}
        taken = []
        for trial in list(self.running.values()):
            if (trial.owner not in owners or trial.owner in dead) and self._store.take(trial):
                del self.running[trial.number]
                taken.append(replace(trial, attempt=trial.attempt + 1))
        self._store.forget(dead)
        return taken

    def note_own(self, trial: Trial) -> None:
        """A trial was built or ended in this process: it is no news."""
        self._built.add(trial.number)
        if trial.state.is_finished:
            self._ended.add(trial.number)
