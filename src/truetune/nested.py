"""Nested evaluation: the whole search inside every outer fold, and then once more on all rows.

The outer estimate answers what a search like this finds for new groups. No row that it is measured on was seen by the
search that it measures, its choice of epochs and finalists included.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.sealing.seal import seal
from truetune.data.splitting.protocols import Fold, Protocol
from truetune.errors import SearchStopped
from truetune.result import Result
from truetune.results.finalists import FreshTraining
from truetune.results.nested_estimate import NestedEstimate, OuterFold, nested_estimate, read_fold, write_fold
from truetune.seeds import derive_seed
from truetune.session import run_session
from truetune.storage.archive import begin_anew
from truetune.storage.paths import StudyPlace
from truetune.study.budget import duration
from truetune.study.events import Observer
from truetune.study.options import SearchOptions
from truetune.system.checksum import checksum
from truetune.task import Task
from truetune.training.tensorflow_start import start_tensorflow
from truetune.verification.verification import Candidate


def run_nested(task: Task, options: SearchOptions, observer: Observer, source: Mapping[str, Any] | None) -> Result:
    """A search in every outer fold, its winner measured on the fold's rows; then a search on all rows.

    Each search is a study of its own: an interrupted evaluation goes on where it was.

    Raises:
        As `run_session`.
        SearchStopped: a search in an outer fold ended without a winner, or the time budget is used up in one.
    """
    dataset = task.load()
    place = StudyPlace.of(
        options.directory,
        options.name_for(task.study_prefix or task.name, dataset.is_dummy),
        options.storage,
    )
    place.make()
    if options.fresh:
        _begin_anew(place, options, observer)
        options = replace(options, fresh=False)
    development = seal(dataset, place.seal, options.seed).development(dataset)
    folds = Protocol.of(options.outer, options.outer_folds).folds(development, derive_seed(options.seed, "outer"))
    observer.note(cost(options, len(folds), folds[0].by))
    clock = _Clock(options.time_budget)
    measured = []
    for number, fold in enumerate(folds, start=1):
        where = f"outer fold {number} of {len(folds)}"
        observer.note(f"O{where[1:]}: {fold.name}, {len(fold.validation)} rows left out.{clock.said()}")
        inside = _without(development, fold)
        inner = clock.limited(_inner_options(options, place, number), where)
        result = run_session(replace(task, data=inside), inner, observer)
        clock.check(result, where)
        kept = place.outer_folds / f"{number}.json"
        measured.append(_measured(task, development, fold, result, options, kept))
        observer.note(f"Outer fold {number}: {task.objective.name.removeprefix('val_')} {measured[-1].score:.4f}.")
    estimate = _estimate(task, development, folds[0], measured)
    last = clock.limited(_last_options(options), "the last search")
    result = run_session(replace(task, data=dataset), last, observer, source)
    return replace(result, nested=estimate)


@dataclass(frozen=True)
class _Clock:
    """The time budget of the whole evaluation, which its searches share."""

    budget: float | None
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        return None if self.budget is None else self.budget - (time.monotonic() - self.began)

    def said(self) -> str:
        return "" if self.left is None else f" {duration(max(self.left, 0))} of the time budget are left."

    def limited(self, options: SearchOptions, where: str) -> SearchOptions:
        """`options` of a search that takes no longer than what is left. Raises SearchStopped: nothing is."""
        left = self.left
        if left is not None and left <= 0:
            raise self._used_up(where)
        return replace(options, time_budget=left)

    def check(self, result: Result, where: str) -> None:
        """A search that the time cut short is not the one that is to be measured. Raises SearchStopped."""
        if result.is_out_of_time:
            raise self._used_up(where)

    def _used_up(self, where: str) -> SearchStopped:
        assert self.budget is not None
        return SearchStopped(
            f"The time budget of {duration(self.budget)} is used up in {where}. Nothing that finished is lost: the "
            "same command, without --fresh, goes on there."
        )


def cost(options: SearchOptions, n_outer: int, by: str) -> str:
    """What a nested evaluation trains at most, for a person; a training that is killed and begun again counts once."""
    searches = n_outer + 1
    training = FreshTraining(options.finalists, options.fresh_runs).of_search(options.max_trials)
    trials, finals = (searches * n * options.folds for n in (options.max_trials, training.most_runs))
    winners = n_outer * options.fresh_runs
    return (
        f"Nested evaluation: {n_outer} outer folds by {by}, each with a search of {options.max_trials} trials in "
        f"{options.folds} inner folds, and a last search on all rows: up to {trials + finals + winners} trainings, of "
        f"which {trials} of trials, {finals} of finalists and {winners} of the outer folds' winners."
    )


def _without(development: Dataset, fold: Fold) -> Dataset:
    """All rows, those of the fold sealed as the test part of the inner search."""
    parts = np.full(len(development), "train", dtype="<U10")
    parts[fold.validation] = "test"
    return replace(development, parts=parts)


def _begin_anew(place: StudyPlace, options: SearchOptions, observer: Observer) -> None:
    """Once, before the seal is made, which the outer folds and the last search share."""
    with ExitStack() as stack:
        if not options.shares_study:
            stack.enter_context(place.locked(options.why_alone))
        stack.enter_context(place.set_up_alone())
        begin_anew(place, observer.note, options.lease_seconds)


def _last_options(options: SearchOptions) -> SearchOptions:
    return replace(options, protocol="k-fold")


def _inner_options(options: SearchOptions, place: StudyPlace, number: int) -> SearchOptions:
    inner = place.outer(number)
    return replace(_last_options(options), study_name=inner.name, storage=inner.url, directory=inner.directory)


def _measured(
    task: Task, development: Dataset, fold: Fold, result: Result, options: SearchOptions, kept: Path
) -> OuterFold:
    """The winner of `result`, trained on the fold's training rows and measured on the others."""
    best = result.best
    if best is None:
        raise SearchStopped(
            f"The search of study '{result.study_name}' ended without a winner, so this outer fold cannot be measured. "
            "`truetune status` shows why trials failed; mend it and run the same command again."
        )
    values = result.best_hyperparameters
    seeds = [derive_seed(options.seed, "outer", fold.name, repeat) for repeat in range(options.fresh_runs)]
    trained = Candidate.of(task, values, best.course)
    key = checksum({**_identity(trained), "seeds": seeds, "data": development.fingerprint()})
    found = read_fold(kept, key)
    if found is not None:
        return found
    start_tensorflow()
    from truetune.verification.retrain import test_states

    train, test = development.take(fold.train), development.take(fold.validation)
    states, score = test_states(task, train, test, trained, seeds)
    outer = OuterFold(fold.name, values, trained.epochs, len(test), score, tuple(states))
    write_fold(kept, outer, key)
    return outer


def _identity(trained: Candidate) -> dict[str, Any]:
    """What tells its trainings from others; as in earlier versions where no recipe says more."""
    content = {"values": dict(trained.values), "epochs": trained.epochs}
    return content if trained.course is None else {**content, "course": asdict(trained.course)}


def _estimate(task: Task, development: Dataset, first: Fold, folds: list[OuterFold]) -> NestedEstimate:
    start_tensorflow()
    from truetune.verification.retrain import pooled_metrics

    states = [state for fold in folds for state in fold.states]
    metrics = pooled_metrics(task, development, folds[0].hyperparameters, states)
    ratio = len(first.validation) / len(first.train)
    return nested_estimate(folds, metrics, task.objective.name.removeprefix("val_"), ratio)
