"""A supervisor at work on a record of any size, without anything being trained: what `overhead` and `scaling` time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from truetune.objective import Objective
from truetune.search.base import SearchProblem
from truetune.search.registry import make_searcher
from truetune.space import Hyperparameter, Space, Value
from truetune.storage.base import Store
from truetune.storage.store import create_store
from truetune.study.budget import Limits
from truetune.study.context import StudyContext, StudySettings
from truetune.study.events import Observer
from truetune.study.trials.lifecycle import Lifecycle
from truetune.study.trials.running import RunningTrial
from truetune.training.messages import Outcome
from truetune.trial import Trial, TrialState

OBJECTIVE = Objective("val_accuracy", "max")
EPOCHS = 10


@dataclass(frozen=True)
class Costs:
    """Of one trial, in seconds, the median of several; and the process's resident bytes.

    Attributes:
        whole: all that the supervisor does for a trial.
        processor: of that, the processor's time, which other programs on the machine change less.
        storing: of that, the record.
        proposing: of that, the searcher: asking, answering the builder, reports, telling.
        starting: until the first trial, once: reading the record, telling the searcher.
        memory: after the trials.
    """

    whole: float
    processor: float
    storing: float
    proposing: float
    starting: float
    memory: int


class Timed:
    """`target`, with the time that its methods take added up in `seconds`."""

    def __init__(self, target: Any) -> None:
        self.target, self.seconds = target, 0.0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, name)
        return self._timed(value) if callable(value) else value

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began

        return run


def measure(url: str, space: Space, algorithm: str, counted: int = 7) -> Costs:
    """What each of `counted` further trials of the study "scaling" at `url` costs its supervisor."""
    began = time.perf_counter()
    store = Timed(store_at(url))
    trials = store.trials()
    problem = SearchProblem(space, OBJECTIVE.direction, OBJECTIVE.name, len(trials) + counted + 1, EPOCHS, 0)
    searcher = Timed(make_searcher(None, algorithm, problem))
    searcher.restore(trials)
    settings = StudySettings(Limits(problem.max_trials), OBJECTIVE, keep="best")
    context = StudyContext(store, space, Observer(), Path("nowhere"), Path("nowhere"))  # type: ignore[arg-type]
    lifecycle = Lifecycle(searcher, trials, settings, context)  # type: ignore[arg-type]
    starting = time.perf_counter() - began
    generator = np.random.default_rng(1)
    _one_trial(lifecycle, space, generator)  # the first one fills caches
    rows = [_timed_trial(lifecycle, space, generator, store, searcher) for _ in range(counted)]
    store.close()
    whole, processor, storing, proposing = np.median(np.array(rows), axis=0)
    return Costs(whole, processor, storing, proposing, starting, psutil.Process().memory_info().rss)


def _timed_trial(
    lifecycle: Lifecycle, space: Space, generator: np.random.Generator, store: Timed, searcher: Timed
) -> tuple[float, float, float, float]:
    store.seconds = searcher.seconds = 0.0
    began, processor = time.perf_counter(), time.process_time()
    _one_trial(lifecycle, space, generator)
    return time.perf_counter() - began, time.process_time() - processor, store.seconds, searcher.seconds


def _one_trial(lifecycle: Lifecycle, space: Space, generator: np.random.Generator) -> None:
    running = lifecycle.next(0)
    assert running is not None
    names = space.names(answers(lifecycle, running, space))
    host = lifecycle.host(running)
    host.built(names, 1, complete=True)
    for epoch in range(1, EPOCHS + 1):
        host.epoch(epoch, float(generator.random()))
    lifecycle.ended(running, Outcome(TrialState.COMPLETE, float(generator.random()), EPOCHS, 5))


def answers(lifecycle: Lifecycle, running: RunningTrial, space: Space) -> dict[str, Value]:
    """What a builder that asks for everything is told, by key."""
    values: dict[str, Value] = {}
    for key, hyperparameter in list(space.entries.items()):
        if space.is_active(key, values):
            values[key] = lifecycle.host(running).answer(hyperparameter)
    return values


def store_at(url: str) -> Store:
    return create_store(url, "scaling", OBJECTIVE.direction, OBJECTIVE.name)


def fill(url: str, space: Space, count: int) -> None:
    """Record random trials until there are `count`."""
    store = store_at(url)
    for number in range(store.next_number, count):
        generator = np.random.default_rng(number)
        trial = Trial(number, TrialState.RUNNING, random_values(space, generator), parameters=1)
        store.start(trial, space)
        reports = {epoch: float(generator.random()) for epoch in range(1, EPOCHS + 1)}
        ended = replace(trial, state=TrialState.COMPLETE, score=max(reports.values()), reports=reports, epochs=EPOCHS)
        store.finish(ended, space, {"val_accuracy": list(reports.values())})
    store.close()


def random_values(space: Space, generator: np.random.Generator) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key, hyperparameter in space.entries.items():
        if space.is_active(key, values):
            values[key] = draw(generator, hyperparameter)
    return values


def draw(generator: np.random.Generator, hyperparameter: Hyperparameter) -> Value:
    """A value at random, as the hyperparameter's sampling says."""
    grid = hyperparameter.grid()
    if grid is not None:
        return grid[int(generator.integers(len(grid)))]
    low, high = float(hyperparameter.low or 0), float(hyperparameter.high or 0)
    if hyperparameter.sampling == "log":
        return float(np.exp(generator.uniform(np.log(low), np.log(high))))
    return float(generator.uniform(low, high))
