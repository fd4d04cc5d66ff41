"""`truetune.tune`: the path from a task to its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from truetune.nested import run_nested
from truetune.result import Result
from truetune.session.opening import run_session
from truetune.session.request import SearchRequest
from truetune.study.events import Observer
from truetune.study.misplaced import check_names
from truetune.study.options import NESTED, SearchOptions
from truetune.task import Task


def tune(
    task: Task, method: str | None = None, max_trials: int = 30, *, observer: Observer | None = None, **options: Any
) -> Result:
    """Search for the hyperparameters that make `task`'s objective best on its validation part.

    The test part is sealed first. Run the same call again to continue an interrupted search; a larger `max_trials`
    extends it. Several processes, also on several machines, may run the same call at once and share the study, unless
    the algorithm keeps its state in one process, as KerasTuner's do.

    Args:
        task: what to tune.
        method: "optuna" or "keras-tuner"; None: the method of `algorithm`, or "optuna".
        max_trials: total number of trials in the study.
        observer: receives the events of the search; None is silent.
        options: further fields of `truetune.SearchOptions`: `algorithm`, `protocol`, `workers`, `seed`, `study_name`,
            `storage`, `directory`, `fresh`, `pruner`, `time_budget`, `worker_memory`, …

    Raises:
        OptionError: an option does not exist; the error shows the line to write.
        InputError: bad options, bad data, a wrong space, an objective that is not logged, a study that does not fit.
        BuildError: the builder raised with its default values.
        RepeatedFailure: several trials in a row failed for the same reason.
    """
    check_names(options, [option.name for option in fields(SearchOptions)])
    chosen = SearchOptions(method=method, max_trials=max_trials, **options)
    return run_search(task, chosen, observer or Observer())


def run_search(
    task: Task, options: SearchOptions, observer: Observer, source: Mapping[str, Any] | None = None
) -> Result:
    """`tune` with everything spelled out; `source` records how the task was chosen."""
    run = run_nested if options.protocol == NESTED else run_session
    return run(SearchRequest(task, options, observer, source or {}))
