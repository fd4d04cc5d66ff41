"""Searchers by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from truetune.errors import InputError
from truetune.search import ALGORITHMS, SearcherSettings, SearchProblem, make_searcher
from truetune.search.hyperband.plan import plan_hyperband
from truetune.search.registry import METHODS, PRUNERS, Algorithm, SearchBudget, algorithms_of, choose_algorithm
from truetune.space import Hyperparameter, Space
from truetune.trial import Trial, TrialState


def problem() -> SearchProblem:
    space = Space()
    space.add(Hyperparameter("Boolean", "b", False))
    return SearchProblem(space, "max", "val_accuracy", 5, 3, 0)


def test_optuna_by_name() -> None:
    assert make_searcher("optuna", "tpe", problem()).name == "tpe"
    assert make_searcher("optuna", None, problem(), SearcherSettings(pruner="none")).name == "tpe"


@pytest.mark.tensorflow
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_the_list_agrees_with_what_it_lists(algorithm: Algorithm, tmp_path: Path) -> None:
    project = tmp_path / "project"
    searcher = make_searcher(algorithm.method, algorithm.name, problem(), SearcherSettings(project_dir=project))
    assert searcher.name == algorithm.name
    assert searcher.shares_study == algorithm.shares_study
    searcher.ask(0)
    searcher.accept(0, {"b": False})
    searcher.tell(Trial(0, TrialState.COMPLETE, {"b": False}, score=0.5))
    assert project.exists() == algorithm.keeps_project


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_a_name_is_enough(algorithm: Algorithm) -> None:
    assert choose_algorithm(None, algorithm.name) is algorithm
    assert choose_algorithm(algorithm.method, algorithm.name) is algorithm


def test_names_are_of_one_method_each() -> None:
    names = [algorithm.name for algorithm in ALGORITHMS]
    assert len(set(names)) == len(names)
    assert len({algorithm.suffix for algorithm in ALGORITHMS}) == len(names)
    assert {algorithm.method for algorithm in ALGORITHMS} == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_the_first_of_a_method_is_its_default(method: str) -> None:
    assert choose_algorithm(method).name == algorithms_of(method)[0]


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'ray' does not exist\. Expected one of: keras-tuner, optuna"):
        choose_algorithm("ray")
    with pytest.raises(
        InputError,
        match=r"'keras-tuner' has no tuning algorithm 'tpe'\. .*bayesian, hyperband, random, grid; tpe belongs to",
    ):
        choose_algorithm("keras-tuner", "tpe")
    with pytest.raises(InputError, match=r"'bayes' does not exist\. Did you mean bayesian\? Expected one of: tpe, bay"):
        choose_algorithm(None, "bayes")
    with pytest.raises(InputError, match=r"'sobol' does not exist\. Expected one of: tpe\."):
        choose_algorithm("optuna", "sobol")


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("max_trials", [1, 7, 50])
def test_no_budget_is_larger_than_what_was_asked_for(algorithm: Algorithm, max_trials: int) -> None:
    budget = algorithm.plan(max_trials, 9)
    assert 1 <= budget.trials <= max_trials
    assert budget.trials <= budget.epochs <= max_trials * 9


def test_hyperband_plans_its_schedule() -> None:
    schedule = plan_hyperband(50, 27)
    assert choose_algorithm(None, "hyperband").plan(50, 27) == SearchBudget(schedule.trials, schedule.epochs_total)


def test_pruners_are_named_in_one_order_and_exist() -> None:
    from truetune.search.optuna import pruners

    assert set(PRUNERS) == set(pruners.PRUNERS)


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, truetune.search, truetune.testing; "
        "print([m for m in ('tensorflow', 'keras', 'keras_tuner', 'optuna', 'sklearn', 'pytest') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
