"""Keeps the workers busy: with trials or re-trainings, and with folds of these if nothing else is to start."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic

from truetune.errors import SearchStopped
from truetune.space import Hyperparameter, Value
from truetune.study.dispatch import reply
from truetune.study.folds_ahead import Assignment, Help, next_help
from truetune.study.jobs import Jobs, R, failure
from truetune.study.trials.lifecycle import Lifecycle
from truetune.training import messages
from truetune.trial import TIMEOUT, Decision
from truetune.workers.pool import STARTS, Worker, WorkerDied, Workers, raise_refusal

if TYPE_CHECKING:
    from truetune.training.folds.source import FoldSource

WAIT_SECONDS = 1.0
"""How long the supervisor sleeps at most; it wakes at once for a message, a death or Ctrl-C."""


def run_in_workers(jobs: Jobs[R], workers: Workers, workers_per_trial: int = 1) -> None:
    """Keep every worker busy until nothing is left to do.

    Args:
        jobs: what is trained.
        workers: who trains.
        workers_per_trial: so many train the folds of one trial together. Beyond that, a worker helps where no training
            is left to start.

    Raises:
        SpaceError, ObjectiveError, BuildError: what no further training can fix.
        RepeatedFailure: several trials in a row failed for the same reason.
        SearchStopped: a worker cannot even start.
    """
    loop = _Loop(jobs, workers, workers_per_trial)
    while loop.dispatch():
        for worker in workers.wait(WAIT_SECONDS):
            loop.handle(worker)
    jobs.close(loop.running())


class _Loop(Generic[R]):
    def __init__(self, jobs: Jobs[R], workers: Workers, workers_per_trial: int) -> None:
        self._jobs, self._workers = jobs, workers
        self._at_once = max(1, len(list(workers)) // workers_per_trial)
        self._trainings: dict[int, Assignment[R]] = {}
        self._helping: dict[int, Help[R]] = {}
        self._failed_starts = 0

    def running(self) -> list[R]:
        return [training.running for training in self._trainings.values()]

    def dispatch(self) -> bool:
        """Give idle workers something to do; False when all is done."""
        if self._jobs.is_over:
            return False
        self._stop_late()
        for worker in self._workers.idle():
            if not self._starts(worker) and self._may_help:
                self._help(worker)
        starting = not any(worker.ready for worker in self._workers)
        works = bool(self._trainings or self._helping)
        return works or (starting and self._jobs.has_more) or self._jobs.waits_for_others

    def _starts(self, worker: Worker) -> bool:
        """Whether a training was left that `worker` is given."""
        running = self._jobs.next(worker.index) if len(self._trainings) < self._at_once else None
        if running is None:
            return False
        request = self._jobs.request(running)
        self._trainings[worker.index] = Assignment(running, request)
        worker.send(request)
        return True

    @property
    def _may_help(self) -> bool:
        return len(self._trainings) >= self._at_once or not self._jobs.has_more

    def _help(self, worker: Worker) -> None:
        help_ = next_help(self._trainings.values())
        if help_ is not None:
            self._helping[worker.index] = help_
            file = self._jobs.fold_file(help_.training.running, help_.fold)
            request = replace(help_.training.request, checkpoint=file, keep=True)
            worker.send(messages.TrainFold(request, help_.fold))

    def _stop_late(self) -> None:
        """End the trainings that take longer than one may, with their helpers, also those that were called off."""
        limit = self._jobs.limits.trial_timeout
        if limit is None:
            return
        latest = time.monotonic() - limit
        for index, help_ in list(self._helping.items()):
            if help_.training.running.began < latest:
                self._workers.by_index(index).restart()
                self._end_help(self._helping.pop(index))
        for index, training in list(self._trainings.items()):
            if training.running.began < latest:
                self._workers.by_index(index).restart()
                del self._trainings[index]
                reason = f"it took longer than --trial-timeout allows ({limit:g} s)"
                self._jobs.ended(training.running, failure(training.running, reason, TIMEOUT))

    def handle(self, worker: Worker) -> None:
        """Handle one message of `worker`, or its death."""
        try:
            message = worker.receive()
        except WorkerDied as death:
            self._bury(worker, death)
            return
        if isinstance(message, messages.Refused) and self._ends_all(worker, message):
            raise_refusal(message)
        if isinstance(message, messages.Ready):
            worker.ready, worker.busy, self._failed_starts = True, False, 0
        elif isinstance(message, (messages.Ended, messages.Refused)):
            self._end(worker, message)
        elif isinstance(message, messages.FoldBegins):
            self._begin_fold(worker, self._trainings[worker.index], message)
        else:
            worker.send(reply(self._host(worker), message))

    def _ends_all(self, worker: Worker, message: messages.Refused) -> bool:
        """Whether no training can go on. What stops a helper is left to its training's own worker to come upon."""
        if isinstance(message.error, messages.Declined):
            return False
        help_ = self._helping.get(worker.index)
        if help_ is None:
            return True
        self._jobs.host(help_.training.running).note(f"A fold could not be trained in advance: {message.error}")
        return False

    def _host(self, worker: Worker) -> messages.Host:
        training = self._trainings.get(worker.index)
        if training is not None:
            return self._jobs.host(training.running)
        return _HelperHost(self._jobs, self._helping[worker.index])

    def _begin_fold(self, worker: Worker, training: Assignment[R], message: messages.FoldBegins) -> None:
        if training.may_begin(message.fold, message.n_folds):
            self._answer_fold(worker, training, message.fold)

    def _answer_fold(self, worker: Worker, training: Assignment[R], fold: int) -> None:
        file = self._jobs.fold_file(training.running, fold)
        worker.send(messages.Reply(file if file.exists() else None))

    def _end(self, worker: Worker, message: messages.Ended | messages.Refused) -> None:
        worker.busy = False
        ended = message if isinstance(message, messages.Ended) else None
        if worker.index in self._helping:
            self._end_help(self._helping.pop(worker.index))
        else:
            training = self._trainings.pop(worker.index)
            self._call_off(training)
            self._jobs.ended(training.running, None if ended is None else ended.outcome)
        has_grown = ended is not None and worker.has_grown(ended.memory)
        if (has_grown and self._jobs.has_more) or worker.is_nearly_full():
            self._workers.renew(worker)

    def _end_help(self, help_: Help[R]) -> None:
        training = help_.training
        if help_.is_called_off:
            self._discard(self._jobs.fold_file(training.running, help_.fold), help_.fold)
        elif training.left(help_.fold):
            index = next(index for index, other in self._trainings.items() if other is training)
            self._answer_fold(self._workers.by_index(index), training, help_.fold)

    def _discard(self, file: Path, fold: int) -> None:
        """The files of an ended training have gone, and this one was written since. One that is trained again after
        its worker died takes it in.
        """
        if all(self._jobs.fold_file(training.running, fold) != file for training in self._trainings.values()):
            file.unlink(missing_ok=True)

    def _call_off(self, training: Assignment[R]) -> None:
        """Its helpers end at their next epoch."""
        for help_ in self._helping.values():
            help_.is_called_off = help_.is_called_off or help_.training is training

    def _bury(self, worker: Worker, death: WorkerDied) -> None:
        """A dead worker is replaced. Its trial is trained again where it was not to blame, and failed where it was; a
        fold that it trained ahead is left to the trial's own worker.
        """
        training, help_ = self._trainings.pop(worker.index, None), self._helping.pop(worker.index, None)
        self._failed_starts += not worker.ready
        if self._failed_starts >= STARTS:
            raise SearchStopped(f"A worker cannot start: {death.reason}. See worker-*.log in the study's folder.")
        worker.restart()
        if help_ is not None:
            self._end_help(help_)
        if training is not None:
            self._call_off(training)
            self._jobs.died(training.running, death.death)


class _HelperHost(messages.Host, Generic[R]):
    """Answers a worker that trains a fold ahead: with the values given to the training's own worker."""

    def __init__(self, jobs: Jobs[R], help_: Help[R]) -> None:
        self._jobs, self._help = jobs, help_

    def answer(self, hyperparameter: Hyperparameter) -> Value:
        return self._jobs.known(self._help.training.running, hyperparameter)

    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        return True

    def resumed(self, reports: Mapping[int, float]) -> None:
        """Its trial reports the epochs when it reaches them."""

    def epoch(self, epoch: int, value: float) -> Decision:
        return Decision.STOP if self._help.is_called_off else Decision.GO_ON

    def note(self, line: str) -> None:
        self._jobs.host(self._help.training.running).note(line)


def run_in_process(lifecycle: Lifecycle, task: messages.TrainingTask, folds: FoldSource) -> None:
    """Train one trial after the other in this process, where a debugger can stop in the builder."""
    while not lifecycle.is_over:
        running = lifecycle.next(worker=0)
        if running is not None:
            outcome = trained(task, folds, lifecycle.request(running), lifecycle.host(running))
            lifecycle.ended(running, outcome)
        elif lifecycle.waits_for_others:
            time.sleep(WAIT_SECONDS)
        else:
            break
    lifecycle.close(())


def trained(
    task: messages.TrainingTask, folds: FoldSource, request: messages.Request, host: messages.Host
) -> messages.Outcome | None:
    """Train what is asked, in this process."""
    from truetune.training.worker import run_request

    ended = run_request(task, folds, request, host)
    assert isinstance(ended, messages.Ended)
    return ended.outcome
