"""Where trainings run: in worker processes, or in this one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from truetune.session.request import SearchRequest
from truetune.training.messages import TrainingTask
from truetune.training.tensorflow_start import start_tensorflow

if TYPE_CHECKING:
    from truetune.training.folds.source import FoldSource
    from truetune.workers.pool import Workers


@contextmanager
def workers_of(request: SearchRequest, data: Path, log: Path) -> Iterator[Workers]:
    """The worker processes, ended on the way out.

    Args:
        request: what the search was started with.
        data: folder with the development rows.
        log: file that takes what workers print; each has one of its own beside it.
    """
    import cloudpickle

    from truetune.training.worker import WorkerSettings
    from truetune.workers.pool import Workers, threads_per_worker

    options = request.options
    count = max(1, options.worker_count)
    settings = WorkerSettings(
        task=cloudpickle.dumps(request.training_task),
        data=data.absolute(),
        threads=threads_per_worker(count),
        log=log.absolute(),
    )
    workers = Workers(count, settings, options.memory_limit, options.gpus)
    try:
        yield workers
    finally:
        workers.close()


def in_process(request: SearchRequest, data: Path) -> tuple[TrainingTask, FoldSource]:
    """Task and rows for training in this process; `data` is the folder with the development rows."""
    from truetune.training.worker import prepare_folds

    start_tensorflow()
    task = request.training_task
    return task, prepare_folds(task, data)
