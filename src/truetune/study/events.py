"""The events of the study loop, for a live screen, plain lines, or a test."""

from __future__ import annotations

from truetune.training.messages import StageBegins
from truetune.trial import FreshRun, Trial


class Observer:
    """Receives the events; every method does nothing until it is overridden."""

    def note(self, line: str) -> None:
        """A line a person should read: what is resumed, what is planned, what went wrong."""

    def search_started(self, finished: list[Trial], max_trials: int) -> None:
        """`finished` are the trials of earlier runs."""

    def folds_planned(self, n_folds: int, epochs: int) -> None:
        """Every trial is trained in `n_folds` folds of at most `epochs` epochs, which are counted on over folds."""

    def trial_started(self, trial: Trial, worker: int) -> None:
        """`worker` counts from 0."""

    def stage_started(self, number: int, begun: StageBegins) -> None:
        """Trial `number` begins a stage of its recipe, or goes on in it; the epochs that follow are of it."""

    def epoch_ended(self, number: int, epoch: int, value: float) -> None:
        """The objective of trial `number` after `epoch`."""

    def trial_ended(self, trial: Trial, worker: int) -> None:
        """In whatever state."""

    def trial_ended_elsewhere(self, trial: Trial) -> None:
        """Another process of this study trained it."""

    def trial_dropped(self, number: int, worker: int) -> None:
        """`worker` does not train it any more; it will be trained again, here or elsewhere."""

    def trial_paused(self, trial: Trial, worker: int) -> None:
        """It may resume later in any worker, with another `trial_started`."""

    def finals_started(self, n_runs: int) -> None:
        """`n_runs` re-trainings of finalists start now; called once per stage."""

    def fresh_run_ended(self, run: FreshRun, done: int, total: int) -> None:
        """`done` of the `total` runs of this stage have ended."""

    def search_ended(self) -> None:
        """No worker runs any more."""
