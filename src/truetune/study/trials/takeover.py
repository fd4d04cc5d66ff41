"""Trials that were begun and not ended: by processes that died, by an earlier run, or by a worker of ours that died."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from truetune.search.base import Searcher
from truetune.storage.peers import OtherProcesses
from truetune.study.context import StudyContext
from truetune.study.trials.known_trials import KnownTrials
from truetune.trial import Trial


class Takeover:
    """Learns from the record what other processes did, and queues what dead ones left.

    Args:
        searcher: observes the trials of others.
        known: learns from them.
        trials: what the record held at the start.
        context: of the study.

    Attributes:
        interrupted: trials to train again, the next one first.
        unbuilt: trials whose number is ours and whose model was not built yet.
    """

    def __init__(self, searcher: Searcher, known: KnownTrials, trials: Sequence[Trial], context: StudyContext) -> None:
        self._searcher, self._known, self._observer = searcher, known, context.observer
        self._others = OtherProcesses(context.store, context.leases, trials)
        self.interrupted: deque[Trial] = deque()
        self.unbuilt: deque[Trial] = deque()

    @property
    def has_trials(self) -> bool:
        """Whether some are left to train again."""
        return bool(self.interrupted or self.unbuilt)

    @property
    def others_train(self) -> bool:
        """Whether another process trains: if it dies, its trials are ours to do."""
        return bool(self._others.running)

    def look(self) -> None:
        """Learn what others did, and take over what dead ones left, if it is time for another look."""
        if self._others.is_due:
            for trial in self._others.news():
                self._learn(trial)
            self.interrupted.extend(self._others.take_over())

    def look_at_once(self) -> None:
        self.make_due()
        self.look()

    def make_due(self) -> None:
        """The next `look` reads the record, however short ago the last one was."""
        self._others.look_at_once()

    def _learn(self, trial: Trial) -> None:
        self._known.remember(trial.values)
        self._searcher.observe(trial)
        self._known.learn(trial)
        if trial.state.is_finished:
            self._observer.trial_ended_elsewhere(trial)

    def note_own(self, trial: Trial) -> None:
        """A trial was built or ended in this process: it is no news."""
        self._others.note_own(trial)
