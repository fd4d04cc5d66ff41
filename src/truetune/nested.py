"""Nested evaluation: the whole search inside every outer fold, then once more on all rows.

The outer estimate measures how well the winner of such a search does on new groups. The rows it is measured on took no
part in the search, including its choice of epochs and finalists.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.sealing.identified import IdentifiedData
from truetune.data.sealing.seal import seal
from truetune.data.splitting.protocols import Fold, Protocol
from truetune.errors import SearchStopped
from truetune.result import Result
from truetune.results.finalists import FreshTraining
from truetune.results.nested_estimate import NestedEstimate, OuterFold, nested_estimate, read_fold, write_fold
from truetune.seeds import derive_seed
from truetune.session.opening import run_session
from truetune.session.request import SearchRequest
from truetune.storage.archive import begin_anew
from truetune.storage.paths import StudyPlace
from truetune.study.budget import duration
from truetune.study.options import SearchOptions
from truetune.system.checksum import checksum
from truetune.training.tensorflow_start import start_tensorflow
from truetune.verification.verification import Candidate

INNER = "k-fold"
"""The protocol of every search of a nested evaluation."""


def run_nested(request: SearchRequest) -> Result:
    """A search in every outer fold, its winner measured on the fold's rows; then a search on all rows.

    Each search is its own study, so an interrupted evaluation continues where it was.

    Raises:
        As `run_session`.
        SearchStopped: a search in an outer fold ended without a winner, or ran out of the time budget.
    """
    options, dataset = request.options, request.task.load()
    place = request.place(dataset.is_dummy)
    place.make()
    if options.fresh:
        _begin_anew(place, request)
    development = seal(dataset, place.seal, options.seed).development(dataset)
    folds = Protocol.of(options.outer, options.outer_folds).folds(development, derive_seed(options.seed, "outer"))
    request.observer.note(cost(options, len(folds), folds[0].by))
    evaluation = _Evaluation(request, place, IdentifiedData(development), folds, _Clock(options.time_budget))
    estimate = evaluation.estimate([evaluation.fold(number) for number in range(1, len(folds) + 1)])
    return replace(evaluation.search_all(dataset), nested=estimate)


@dataclass(frozen=True)
class _Evaluation:
    """What the searches of one nested evaluation share.

    Attributes:
        request: what the evaluation was started with.
        place: of the search on all rows; those of the outer folds lie inside.
        development: the rows that are not sealed.
        folds: the outer ones, drawn from them.
        clock: the time budget.
    """

    request: SearchRequest
    place: StudyPlace
    development: IdentifiedData
    folds: tuple[Fold, ...]
    clock: _Clock

    def fold(self, number: int) -> OuterFold:
        """Search inside an outer fold (1 is the first) and measure the winner on the rows that it leaves out."""
        fold, observer = self.folds[number - 1], self.request.observer
        where = f"outer fold {number} of {len(self.folds)}"
        left_out = f"{fold.name}, {len(fold.validation)} rows left out"
        observer.note(f"Outer fold {number} of {len(self.folds)}: {left_out}.{self.clock.remaining_text}")
        result = run_session(self._inside(number, where))
        self.clock.check(result, where)
        measured = self._measured(number, result)
        observer.note(f"Outer fold {number}: {self._metric} {measured.score:.4f}.")
        return measured

    def _inside(self, number: int, where: str) -> SearchRequest:
        """The search without the rows of an outer fold, which are its test part."""
        inner = self.place.outer(number)
        options = replace(self.request.options, study_name=inner.name, storage=inner.url, directory=inner.directory)
        rows = _with_test_part(self.development.dataset, self.folds[number - 1])
        return self._search(rows, options, where)

    def search_all(self, dataset: Dataset) -> Result:
        """The search on all rows that are not sealed."""
        search = self._search(dataset, self.request.options, "the final search")
        return run_session(replace(search, source=self.request.source))

    def _search(self, dataset: Dataset, options: SearchOptions, where: str) -> SearchRequest:
        limited = replace(options, protocol=INNER, fresh=False, time_budget=self.clock.left_for(where))
        return SearchRequest(replace(self.request.task, data=dataset), limited, self.request.observer)

    def _measured(self, number: int, result: Result) -> OuterFold:
        """The winner of `result`, trained on the fold's training rows and measured on the others."""
        best = result.best
        if best is None:
            raise SearchStopped(
                f"The search of study '{result.study_name}' ended without a winner, so this outer fold cannot be "
                "measured. Run `truetune status` to see why trials failed, fix the cause, and rerun the same command."
            )
        fold, kept = self.folds[number - 1], self.place.outer_folds / f"{number}.json"
        values, options = result.best_hyperparameters, self.request.options
        trained = Candidate.of(self.request.task, values, best.course)
        seeds = [derive_seed(options.seed, "outer", fold.name, repeat) for repeat in range(options.fresh_runs)]
        key = checksum({**_identity(trained), "seeds": seeds, "data": self.development.fingerprint})
        found = read_fold(kept, key)
        if found is not None:
            return found
        start_tensorflow()
        from truetune.verification.retrain import states_on_test

        train, test = (self.development.dataset.take(rows) for rows in (fold.train, fold.validation))
        states, score = states_on_test(self.request.task, train, test, trained, seeds)
        outer = OuterFold(fold.name, values, trained.epochs, len(test), score, tuple(states))
        write_fold(kept, outer, key)
        return outer

    def estimate(self, measured: list[OuterFold]) -> NestedEstimate:
        """The estimate from all outer folds."""
        start_tensorflow()
        from truetune.verification.retrain import pooled_metrics

        states = [state for fold in measured for state in fold.states]
        values, first = measured[0].hyperparameters, self.folds[0]
        metrics = pooled_metrics(self.request.task, self.development.dataset, values, states)
        return nested_estimate(measured, metrics, self._metric, len(first.validation) / len(first.train))

    @property
    def _metric(self) -> str:
        return self.request.task.objective.name.removeprefix("val_")


def _identity(trained: Candidate) -> dict[str, Any]:
    """What its trainings are identified by; as in earlier versions if the recipe changes nothing."""
    content = {"values": dict(trained.values), "epochs": trained.epochs}
    return content if trained.course is None else {**content, "course": asdict(trained.course)}


@dataclass(frozen=True)
class _Clock:
    """The time budget of the whole evaluation, in seconds, which its searches share; None for no limit."""

    budget: float | None
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        return None if self.budget is None else self.budget - (time.monotonic() - self.began)

    @property
    def remaining_text(self) -> str:
        """The remaining time in words; empty without a limit."""
        return "" if self.left is None else f" {duration(max(self.left, 0))} of the time budget left."

    def left_for(self, where: str) -> float | None:
        """The seconds that the search in `where` may take. Raises SearchStopped: nothing is left."""
        left = self.left
        if left is not None and left <= 0:
            raise self._used_up(where)
        return left

    def check(self, result: Result, where: str) -> None:
        """A search that ran out of time is not the one to be measured. Raises SearchStopped."""
        if result.is_out_of_time:
            raise self._used_up(where)

    def _used_up(self, where: str) -> SearchStopped:
        assert self.budget is not None
        return SearchStopped(
            f"The time budget of {duration(self.budget)} ran out in {where}. Finished work is kept; rerun the same "
            "command without --fresh to continue."
        )


def cost(options: SearchOptions, n_outer: int, by: str) -> str:
    """An upper bound of a nested evaluation's trainings, in words; one that is killed and restarted counts once."""
    searches = n_outer + 1
    training = FreshTraining(options.finalists, options.fresh_runs).of_search(options.max_trials)
    trials, finals = (searches * n * options.folds for n in (options.max_trials, training.most_runs))
    winners = n_outer * options.fresh_runs
    return (
        f"Nested evaluation: {n_outer} outer folds by {by}, each with a search of {options.max_trials} trials in "
        f"{options.folds} inner folds, then a final search on all rows. Up to {trials + finals + winners} trainings: "
        f"{trials} of trials, {finals} re-trainings of finalists, {winners} of the outer folds' winners."
    )


def _with_test_part(development: Dataset, fold: Fold) -> Dataset:
    """All rows, those of the fold as the test part."""
    parts = np.full(len(development), "train", dtype="<U10")  # the width is part of the fingerprint
    parts[fold.validation] = "test"
    return replace(development, parts=parts)


def _begin_anew(place: StudyPlace, request: SearchRequest) -> None:
    """Once, before the seal is made, which the outer folds and the final search share."""
    options = request.options
    with ExitStack() as stack:
        if not options.shares_study:
            stack.enter_context(place.locked(options.why_alone))
        stack.enter_context(place.set_up_alone())
        begin_anew(place, request.observer.note, options.lease_seconds)
