"""The contract accepts a searcher that keeps it, and notices one that does not."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from truetune.errors import SpaceError
from truetune.search import NoSuggestion, Searcher, SearchProblem
from truetune.search.values import MAX_ATTEMPTS, first_value, first_values
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Value
from truetune.testing import SearcherContract, TrialFailure, drive, trace
from truetune.trial import Decision, Suggestion, Trial, TrialState


class PlainSearcher(Searcher):
    """Random search in thirty lines: all that the interface asks for."""

    name = "plain"

    def __init__(self, problem: SearchProblem) -> None:
        self.problem = problem
        self.attempts: dict[int, int] = {}

    def ask(self, number: int, attempt: int = 0) -> Suggestion | NoSuggestion:
        self.attempts[number] = attempt
        if attempt == MAX_ATTEMPTS:
            return NoSuggestion.EXHAUSTED
        return Suggestion(first_values(self.problem, self.problem.space) if number == attempt == 0 else {})

    def answer(self, number: int, key: str, hyperparameter: Hyperparameter) -> Value:
        attempt = self.attempts[number]
        if number == attempt == 0:
            return first_value(self.problem, key, hyperparameter)
        return random.Random(self.seed(number, attempt, key)).choice(hyperparameter.grid() or ())

    def seed(self, number: int, attempt: int, key: str) -> int:
        return derive_seed(self.problem.seed, number, attempt, key)

    def retract(self, number: int) -> None:
        pass

    def accept(self, number: int, values: dict[str, Value]) -> None:
        pass

    def report(self, number: int, epoch: int, value: float) -> Decision:
        return Decision.GO_ON

    def tell(self, trial: Trial) -> None:
        pass

    def restore(self, trials: Sequence[Trial]) -> None:
        pass

    def plan(self) -> list[str]:
        return ["random"]


class TestPlainSearcher(SearcherContract):
    def make(self, problem: SearchProblem) -> Searcher:
        return PlainSearcher(problem)


class SameForEverySeed(PlainSearcher):
    def seed(self, number: int, attempt: int, key: str) -> int:
        return derive_seed(0, number, attempt, key)


class Forgetful(PlainSearcher):
    """Depends on how many trials this very object has seen."""

    seen = 0

    def tell(self, trial: Trial) -> None:
        self.seen += 1

    def seed(self, number: int, attempt: int, key: str) -> int:
        return derive_seed(self.problem.seed, self.seen, attempt, key)


class Deaf(PlainSearcher):
    """Learns from the trials of an earlier run, and not from those of other processes."""

    shares_study = True

    def __init__(self, problem: SearchProblem) -> None:
        super().__init__(problem)
        self.told: set[int] = set()

    def tell(self, trial: Trial) -> None:
        self.told.add(trial.number)

    def restore(self, trials: Sequence[Trial]) -> None:
        self.told |= {trial.number for trial in trials if trial.state.is_finished}

    def observe(self, trial: Trial) -> None:
        pass

    def seed(self, number: int, attempt: int, key: str) -> int:
        return derive_seed(self.problem.seed, len(self.told), attempt, key)


class Hearing(Deaf):
    def observe(self, trial: Trial) -> None:
        self.restore([trial])


class TestHearing(SearcherContract):
    def make(self, problem: SearchProblem) -> Searcher:
        return Hearing(problem)


class OutOfRange(PlainSearcher):
    def answer(self, number: int, key: str, hyperparameter: Hyperparameter) -> Value:
        return 10**6 if hyperparameter.kind == "Int" else super().answer(number, key, hyperparameter)


class Stuck(PlainSearcher):
    def seed(self, number: int, attempt: int, key: str) -> int:
        return derive_seed(self.problem.seed, key)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (SameForEverySeed, "test_seeds_are_independent"),
        (Forgetful, "test_a_resumed_search_goes_on_as_the_uninterrupted_one"),
        (Deaf, "test_trials_of_others_are_learned_one_by_one_as_by_a_resume"),
        (OutOfRange, "test_values_have_the_declared_type_and_range"),
        (Stuck, "test_the_budget_is_exact"),
    ],
)
def test_a_broken_searcher_is_noticed(broken: type[PlainSearcher], test: str) -> None:
    contract = SearcherContract()
    contract.make = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(AssertionError):
        getattr(contract, test)()


def problem(build: object) -> SearchProblem:
    return SearchProblem(trace(build), "max", "val_score", 5, 3, 0)  # type: ignore[arg-type]


def test_the_driver_records_crashes_and_reports() -> None:
    def build(hp: object) -> None:
        hp.Int("n", 1, 100)  # type: ignore[attr-defined]

    def objective(values: object, epochs: int) -> float:
        if epochs == 3:
            raise TrialFailure("third epoch")
        return float(epochs)

    trials = drive(PlainSearcher(problem(build)), build, objective, 3)  # type: ignore[arg-type]
    assert [trial.state for trial in trials] == [TrialState.FAILED] * 3
    assert trials[0].reports == {1: 1.0, 2: 2.0}
    assert trials[0].reason == "third epoch"
    assert not math.isnan(trials[0].reports[1])


def test_the_driver_refuses_what_the_real_hp_refuses() -> None:
    def build(hp: object) -> None:
        hp.Int("n", 1, 4, default=9)  # type: ignore[attr-defined]

    with pytest.raises(SpaceError, match="default"):
        trace(build)  # type: ignore[arg-type]
