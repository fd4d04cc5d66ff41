"""The re-evaluation: finalists are re-trained with new seeds and splits; what is handed out, answered and recorded.

Every run is recorded when it ends. What is still to be trained is read from the record, so an interruption loses no
more than the runs that were being trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from truetune.space import Hyperparameter, Value
from truetune.storage.peers import LOOK_SECONDS
from truetune.study.budget import Budget, Limits
from truetune.study.context import StudyContext, StudySettings
from truetune.study.evaluation import fresh_seed
from truetune.study.jobs import failure
from truetune.study.run_queue import Missing, RunningFinal, RunQueue
from truetune.training import messages
from truetune.trial import (
    STAGES,
    TODAY,
    Decision,
    FreshRun,
    PlannedRun,
    Schedule,
    TrainingCourse,
    Trial,
    TrialState,
    todays_trial,
)
from truetune.workers.memory import Death

Train = Callable[[messages.Request, messages.Host], messages.Outcome | None]

FOLD_FILES = rf"fresh_(?P<stage>{'|'.join(STAGES)})_(?P<trial>\d+)_(?P<repeat>\d+)_fold_\d+\.npz"
"""Names of the files of folds that were trained ahead of a re-training, as a regular expression."""
"""Trains what is asked; None when the host refused."""


class Finals:
    """Hands out the re-trainings and records how they went; has no notion of worker processes.

    Args:
        trials: all of the study.
        missing: what is to be trained next.
        settings: what was asked for.
        context: what the study works with; its space holds what was discovered.
        budget: no run is started that would probably end after the time is up; None begins a new one.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        missing: Missing,
        settings: StudySettings,
        context: StudyContext,
        budget: Budget | None = None,
    ) -> None:
        self._trials = {trial.number: trial for trial in trials}
        self._settings, self._context = settings, context
        self._budget = budget or Budget(settings.limits, settings.objective)
        self._queue = RunQueue(missing, context, self._budget)

    @property
    def limits(self) -> Limits:
        return self._settings.limits

    @property
    def has_more(self) -> bool:
        """Whether runs of this stage are left to start."""
        return bool(self._queue.waiting)

    @property
    def waits_for_others(self) -> bool:
        """Whether other processes train runs of this stage: if they die, these are ours to do."""
        return self._queue.others_train and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the time is up also for what runs."""
        return self._budget.is_over

    def begin_stage(self) -> bool:
        """Read what is to be trained now that nothing runs; False when all is known."""
        return self._queue.begin_stage()

    def next(self, worker: int = 0) -> RunningFinal | None:
        """The run that `worker` (whoever it is) should train now; None when there is none, or others train it."""
        return self._queue.next()

    def request(self, running: RunningFinal) -> messages.Request:
        """What the worker is sent: trained from the beginning, also where the trial continued another."""
        planned = running.planned
        epochs, course = self._epochs(planned.trial)
        request = messages.Request(
            number=planned.trial,
            seed=fresh_seed(self._settings.seed, planned, "training"),
            schedule=Schedule(epochs=epochs),
            split_seed=fresh_seed(self._settings.seed, planned, "split"),
            score_epoch=None if course is None else course.total,
            stage_epochs=() if course is None else course.epochs,
        )
        return self._settings.evaluation.asked(request)

    def _epochs(self, number: int) -> tuple[int | None, TrainingCourse | None]:
        """How long a run of trial `number` is trained (None: the task's number), and what leads to the scored epoch.

        A finalist is trained as the search trained it. Today's configuration is what stands in the config, so it is
        trained in full, however early the search gave it up; its own best epoch is then scored, in its favour.
        """
        trial = self._trials[number]
        if number != TODAY:
            return trial.schedule.epochs, trial.course if trial.state is TrialState.COMPLETE else None
        today = todays_trial([self._trials[n] for n in sorted(self._trials)], self._settings.evaluation.epochs)
        return None, None if today is None else today.course

    def host(self, running: RunningFinal) -> FinalHost:
        """Answers whoever trains it."""
        return FinalHost(self, running)

    def fold_file(self, running: RunningFinal, fold: int) -> Path:
        """Where a fold is left that another worker trains ahead."""
        return self._context.checkpoints / f"{_stem(running.planned)}_fold_{fold}.npz"

    def known(self, running: RunningFinal, hyperparameter: Hyperparameter) -> Value:
        """The value that the trial had.

        Raises:
            Declined: the trial was not asked for this one.
        """
        key = self._context.space.add(hyperparameter)
        values = self._trials[running.planned.trial].values
        if key not in values:
            running.refused = (
                f"the builder requested '{key}', which it did not request in trial {running.planned.trial}"
            )
            raise messages.Declined(running.refused)
        return values[key]

    def ended(self, running: RunningFinal, outcome: messages.Outcome | None) -> None:
        """Record how a run went; `outcome` is None for one that was refused."""
        outcome = outcome or messages.Outcome(TrialState.FAILED, reason=running.refused)
        if not self._queue.record(running, _as_recorded(running.planned, outcome)):
            self.note(
                f"Another process took over a re-training of trial {running.planned.trial} while this one was frozen."
            )
            return
        for path in self._context.checkpoints.glob(f"{_stem(running.planned)}_fold_*.npz"):
            path.unlink(missing_ok=True)

    def died(self, running: RunningFinal, death: Death) -> None:
        """The worker of a run died. It is trained again, since the trial did well once in a worker like it."""
        if running.attempt >= self.limits.max_retries:
            self.ended(running, failure(running, death.reason, death.cause))
            return
        self.note(f"Retrying a re-training of trial {running.planned.trial}: {death.reason}.")
        self._queue.waiting.append(RunningFinal(running.planned, running.attempt + 1))

    def close(self, running: Sequence[RunningFinal]) -> None:
        """Runs that the end of the time interrupts are still missing, and trained another time."""

    def note(self, line: str) -> None:
        self._context.observer.note(line)

    def note_once(self, line: str) -> None:
        """A line of a training; see `StudyContext.note_once`."""
        self._context.note_once(line)


def _stem(planned: PlannedRun) -> str:
    return f"fresh_{planned.stage}_{planned.trial:05d}_{planned.repeat}"


def _as_recorded(planned: PlannedRun, outcome: messages.Outcome) -> FreshRun:
    run = FreshRun(planned.trial, planned.repeat, planned.stage, None, None, outcome.seconds)
    if outcome.state is not TrialState.COMPLETE or outcome.score is None:
        return replace(run, reason=outcome.reason or "it has no score")
    best = outcome.score if outcome.best_score is None else outcome.best_score
    return replace(run, score=outcome.score, best=best, fold_scores=tuple(outcome.fold_scores))


def run_finals_in_process(finals: Finals, train: Train) -> None:
    """Train one run after the other with `train`, in this process.

    Raises:
        TruetuneError: what `train` raises: no further run can fix it.
    """
    while finals.begin_stage():
        while (running := finals.next()) is not None or finals.waits_for_others:
            if running is None:
                time.sleep(LOOK_SECONDS)
                continue
            try:
                outcome = train(finals.request(running), finals.host(running))
            except messages.Declined:
                outcome = None
            finals.ended(running, outcome)


class FinalHost(messages.Host):
    """Answers a re-training from its trial; nothing stops it."""

    def __init__(self, finals: Finals, running: RunningFinal) -> None:
        self._finals, self._running = finals, running

    def answer(self, hyperparameter: Hyperparameter) -> Value:
        return self._finals.known(self._running, hyperparameter)

    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        return True

    def resumed(self, reports: Mapping[int, float]) -> None:
        raise AssertionError("a re-training has no checkpoint to continue from")

    def epoch(self, epoch: int, value: float) -> Decision:
        return Decision.GO_ON

    def note(self, line: str) -> None:
        self._finals.note_once(line)
