"""The supervisor's side of a trial that is built and trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from truetune.search.base import Searcher
from truetune.space import Hyperparameter, Value
from truetune.study.context import StudyContext
from truetune.study.trials.building import Building
from truetune.study.trials.running import RunningTrial
from truetune.training.messages import Host, StageBegins
from truetune.trial import Decision


class TrialHost(Host):
    """Answers whoever trains a trial.

    Args:
        running: the trial.
        building: answers its builder.
        searcher: decides after each epoch.
        context: of the study.
    """

    def __init__(self, running: RunningTrial, building: Building, searcher: Searcher, context: StudyContext) -> None:
        self._running, self._building = running, building
        self._searcher, self._context = searcher, context
        self._store, self._observer = context.store, context.observer

    def answer(self, hyperparameter: Hyperparameter) -> Value:
        return self._building.answer(self._running, hyperparameter)

    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        return self._building.built(self._running, values, parameters, complete)

    def resumed(self, reports: Mapping[int, float]) -> None:
        """Replay the reports to the searcher, ignoring its decisions, which were made before."""
        running = self._running
        assert running.trial is not None
        running.trial = replace(running.trial, reports=dict(reports))
        for epoch, value in sorted(reports.items()):
            self._searcher.report(running.number, epoch, value)
            self._observer.epoch_ended(running.number, epoch, value)

    def epoch(self, epoch: int, value: float) -> Decision:
        running = self._running
        assert running.trial is not None
        running.trial = replace(running.trial, reports={**running.trial.reports, epoch: value})
        if not running.writes(lambda: self._store.report(running.number, epoch, value)):
            return Decision.STOP
        self._observer.epoch_ended(running.number, epoch, value)
        decision = self._searcher.report(running.number, epoch, value)
        # A paused trial whose checkpoint was lost trains again what it was paused after.
        return Decision.GO_ON if epoch <= running.trial.thawed_at else decision

    def note(self, line: str) -> None:
        self._context.note_once(line)

    def stage_begins(self, begun: StageBegins) -> None:
        self._observer.stage_started(self._running.number, begun)
