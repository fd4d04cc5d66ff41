"""The worker process: loads TensorFlow, the task and the data once, then trains what it is sent.

Importing this module loads nothing heavy; `main` sets thread counts and log levels before TensorFlow starts.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truetune.errors import TruetuneError
from truetune.space import Hyperparameter, Value
from truetune.training import messages
from truetune.training.tensorflow_start import prepare_environment
from truetune.training.worker_output import print_into
from truetune.trial import Decision

if TYPE_CHECKING:
    from truetune.training.folds.source import FoldSource


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker starts.

    Attributes:
        task: a `messages.TrainingTask`, pickled by value.
        data: folder with the training and validation arrays.
        threads: TensorFlow's, within one operation.
        log: file that takes what the worker and TensorFlow print.
        gpu: the only GPU the worker sees; None leaves them all to it.
    """

    task: bytes
    data: Path
    threads: int
    log: Path
    gpu: str | None = None


class SupervisorGone(Exception):
    """The other end of the pipe is closed."""


def main(connection: Connection, settings: WorkerSettings) -> None:
    """Entry point of the process."""
    _detach(settings.log)
    prepare_environment(settings.threads, settings.gpu)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _serve(connection, settings)
    except (EOFError, BrokenPipeError, ConnectionError, SupervisorGone):
        os._exit(0)  # the supervisor has gone; there is nobody left to tell


def _detach(log: Path) -> None:
    """Ctrl-C is the supervisor's to handle; printing goes to a file, not across its screen."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print_into(log)


def _die_with_parent() -> None:
    """A supervisor that was killed cannot close its workers; none may outlive it."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


def _serve(connection: Connection, settings: WorkerSettings) -> None:
    import cloudpickle

    try:
        task: messages.TrainingTask = cloudpickle.loads(settings.task)
        folds = prepare_folds(task, settings.data)
        set_aside()
    except Exception as error:
        connection.send(messages.Refused(_sendable(error), traceback.format_exc()))
        return
    connection.send(messages.Ready(os.getpid()))
    while True:
        connection.send(_handle(connection, task, folds, connection.recv()))


def set_aside() -> None:
    """The garbage collector, which runs after every trial, looks no more at what stays anyway: TensorFlow, Keras, the
    task and the data. Looking took longer than training a small model.
    """
    from truetune.training import run_trial  # noqa: F401  # what is loaded later is looked at

    gc.collect()
    gc.freeze()


def prepare_folds(task: messages.TrainingTask, data: Path) -> FoldSource:
    """The shared rows and how they are split; the first fold is preprocessed now, while other workers start too."""
    from truetune.training.folds.source import FoldSource

    source = FoldSource.load(task, data)
    source.own.parts(0)
    return source


def _handle(connection: Connection, task: messages.TrainingTask, folds: FoldSource, message: object) -> object:
    try:
        return run_request(task, folds, message, _PipeHost(connection))
    except (EOFError, BrokenPipeError, ConnectionError):
        raise SupervisorGone from None
    except Exception as error:
        return messages.Refused(_sendable(error), traceback.format_exc())


def run_request(task: messages.TrainingTask, folds: FoldSource, message: object, host: messages.Host) -> object:
    """Do what `message` asks and return what is to be sent back."""
    import keras

    from truetune.training.run_trial import run_trial, train_fold_ahead
    from truetune.training.trace import time_epoch, trace_space

    if isinstance(message, messages.Trace):
        return messages.Traced(trace_space(task.hypermodel, task.fit, folds.own.parts(0).train))
    if isinstance(message, messages.TimeEpoch):
        return messages.Timed(time_epoch(task, folds.own.parts(0)))
    outcome = None
    try:
        if isinstance(message, messages.TrainFold):
            train_fold_ahead(task, folds.folds(message.request), message.request, message.fold, host)
        else:
            assert isinstance(message, messages.Request), message
            outcome = run_trial(task, folds.folds(message), message, host)
    finally:
        keras.backend.clear_session()  # collects garbage as well
    return messages.Ended(outcome, _resident_bytes())


class _PipeHost(messages.Host):
    """Asks the supervisor over the pipe and waits for its reply."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def answer(self, hyperparameter: Hyperparameter) -> Value:
        value: Value = self._ask(messages.AskValue(hyperparameter))
        return value

    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        return bool(self._ask(messages.Built(values, parameters, complete)))

    def resumed(self, reports: Mapping[int, float]) -> None:
        self._ask(messages.Resumed(reports))

    def epoch(self, epoch: int, value: float) -> Decision:
        decision: Decision = self._ask(messages.Epoch(epoch, value))
        return decision

    def note(self, line: str) -> None:
        self._ask(messages.Note(line))

    def stage_begins(self, begun: messages.StageBegins) -> None:
        self._ask(begun)

    def fold_begins(self, fold: int, n_folds: int) -> Path | None:
        path: Path | None = self._ask(messages.FoldBegins(fold, n_folds))
        return path

    def _ask(self, message: object) -> Any:
        self._connection.send(message)
        reply: messages.Reply = self._connection.recv()
        if reply.error is not None:
            raise reply.error
        return reply.value


def _sendable(error: Exception) -> Exception:
    """Ours as they are; others by their text, since they may not survive the pipe."""
    return error if isinstance(error, TruetuneError) else RuntimeError(f"{type(error).__name__}: {error}")


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)
