"""TPE: the contract, pruning, real search."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

import optuna
import pytest

from truetune.errors import InputError
from truetune.search.base import NoSuggestion, Searcher, SearchProblem
from truetune.search.optuna.pruners import PRUNERS
from truetune.search.optuna.searcher import TPESearcher
from truetune.space import Value
from truetune.testing import SearcherContract, Simulation, drive, trace
from truetune.trial import Decision, Trial, TrialState


class TestTPE(SearcherContract):
    def make(self, problem: SearchProblem) -> Searcher:
        return TPESearcher(problem)


def smooth(hp: Any) -> None:
    hp.Float("x", 0.0, 1.0, default=0.9)
    hp.Float("y", 0.0, 1.0, default=0.9)
    hp.Float("lr", 1e-5, 1e-1, sampling="log", default=1e-1)


def bowl(values: Mapping[str, Value], epochs: int) -> float:
    x, y, lr = float(values["x"]), float(values["y"]), math.log10(float(values["lr"]))
    return (x - 0.3) ** 2 + (y - 0.6) ** 2 + ((lr + 3) / 4) ** 2 + 0.1 / epochs


def problem(build: Any = smooth, n: int = 40, seed: int = 0, epochs: int = 3, direction: str = "min") -> SearchProblem:
    return SearchProblem(trace(build), direction, "val_loss", n, epochs, seed)


def test_tpe_finds_better_values_than_random_search() -> None:
    best_tpe, best_random = [], []
    for seed in range(3):
        searched = drive(TPESearcher(problem(seed=seed), pruner="none"), smooth, bowl, 40)
        best_tpe.append(min(trial.score for trial in searched if trial.score is not None))
        # With a start that never ends, TPE is random search.
        endless = problem(n=10**6, seed=seed)
        searcher = TPESearcher(endless, pruner="none")
        searcher._sampler = lambda number, attempt: optuna.samplers.RandomSampler(seed=number + 1)  # type: ignore
        randomly = drive(searcher, smooth, bowl, 40)
        best_random.append(min(trial.score for trial in randomly if trial.score is not None))
    assert statistics.mean(best_tpe) < statistics.mean(best_random)


@pytest.mark.parametrize("pruner", ["median", "hyperband", "successive-halving"])
def test_pruning_goes_on_after_a_resume_as_without(pruner: str) -> None:
    def run(n: int) -> Simulation:
        simulation = Simulation(
            TPESearcher(problem(n=16, epochs=16), pruner), smooth, bowl, trace(smooth).copy(), epochs=16
        )
        simulation.run(n)
        return simulation

    whole, interrupted = run(16), run(9)
    resumed = Simulation.resumed(TPESearcher(problem(n=16, epochs=16), pruner), interrupted)
    resumed.run(16)
    assert resumed.trials == whole.trials
    assert any(trial.state is TrialState.PRUNED for trial in whole.trials.values())


def test_nothing_is_pruned_without_a_pruner() -> None:
    trials = drive(TPESearcher(problem(epochs=20), "none"), smooth, bowl, 12, epochs=20)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}


def test_the_median_pruner_leaves_five_trials_and_ten_epochs_alone() -> None:
    trials = drive(TPESearcher(problem(epochs=20), "median"), smooth, bowl, 20, epochs=20)
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert min(trial.number for trial in pruned) >= 5
    assert min(trial.epochs for trial in pruned) == 11


@pytest.mark.parametrize("pruner", sorted(PRUNERS))
def test_reports_that_are_not_numbers_never_prune(pruner: str) -> None:
    searcher = TPESearcher(problem(), pruner)
    for number in range(6):
        searcher.ask(number)
        searcher.accept(number, {})
        assert searcher.report(number, 1, math.nan) is Decision.GO_ON
        searcher.tell(Trial(number, TrialState.FAILED, {}))


def test_an_unknown_pruner_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'hopeful'.*none, median, hyperband, successive-halving"):
        TPESearcher(problem(), "hopeful")


def proposed(searcher: Searcher, number: int, attempt: int = 0) -> dict[str, Value]:
    searcher.ask(number, attempt)
    space = problem().space
    return {key: searcher.answer(number, key, space[key]) for key in space}


def trained(searcher: Searcher, number: int, values: dict[str, Value]) -> Trial:
    searcher.accept(number, values)
    trial = Trial(number, TrialState.COMPLETE, values, score=bowl(values, 1))
    searcher.tell(trial)
    return trial


def test_a_retracted_proposal_counts_for_its_own_number_only() -> None:
    searcher, trials = TPESearcher(problem()), []
    for number in range(16):
        values = proposed(searcher, number)
        if number in (12, 15):
            searcher.retract(number)
            assert proposed(searcher, number, 1) != values
            values = dict(searcher._frozen(number).params)
        trials.append(trained(searcher, number, values))
    restored = TPESearcher(problem())
    restored.restore(trials)
    for number in range(16, 20):
        values = proposed(searcher, number)
        assert values == proposed(restored, number)
        trained(searcher, number, values)
        trained(restored, number, values)


def test_a_hyperparameter_may_be_asked_for_in_fit() -> None:
    searcher = TPESearcher(problem())
    space = trace(lambda hp: hp.Choice("batch_size", [16, 32]))
    for number in range(3):
        searcher.ask(number)
        searcher.accept(number, {})
        assert searcher.answer(number, "batch_size", space["batch_size"]) in (16, 32)
    restored = TPESearcher(problem())
    restored.restore([Trial(0, TrialState.RUNNING, {}), Trial(1, TrialState.RUNNING, {})])
    assert restored.answer(1, "batch_size", space["batch_size"]) in (16, 32)
    restored.tell(Trial(1, TrialState.COMPLETE, {"batch_size": 16}, score=0.5))


def test_endless_repetition_ends_the_search() -> None:
    searcher = TPESearcher(problem())
    assert searcher.ask(1, attempt=1000) is NoSuggestion.EXHAUSTED
