"""What a person may choose is checked before anything else happens."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from truetune.errors import InputError
from truetune.search.registry import ALGORITHMS, DEFAULT_METHOD, METHODS, choose_algorithm
from truetune.study.options import SearchOptions


@pytest.mark.parametrize("method", METHODS)
def test_the_first_algorithm_of_a_method_is_its_default(method):
    assert SearchOptions(method=method).chosen_algorithm == choose_algorithm(method).name


def test_the_command_and_the_library_have_the_same_default():
    from truetune.api import tune
    from truetune.cli.tune import tune as command

    (option,) = [parameter for parameter in command.params if parameter.name == "method"]
    assert option.default is inspect.signature(tune).parameters["method"].default is SearchOptions.method is None
    assert SearchOptions().method == DEFAULT_METHOD
    assert f"else {DEFAULT_METHOD}]" in option.help


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_the_options_follow_the_list(algorithm):
    options = SearchOptions(algorithm=algorithm.name, max_trials=20)
    assert (options.method, options.chosen_method) == (algorithm.method, algorithm.method)
    assert options.shares_study == algorithm.shares_study
    assert options.budget(9) == algorithm.plan(20, 9)
    assert options.name_for("emotion", False) == f"emotion_{algorithm.suffix}"


def test_a_searcher_of_ones_own_has_no_schedule_of_ours_whatever_its_name():
    class Own:
        name = "hyperband"

    options = SearchOptions(searcher=Own, max_trials=20)
    assert (options.budget(9).trials, options.budget(9).epochs) == (20, 180)
    assert options.name_for("emotion", False) == "emotion_hyperband"


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"method": "grid"}, r"method 'grid' does not exist. Expected one of: keras-tuner, optuna"),
        (
            {"method": "optuna", "algorithm": "hyperband"},
            r"'optuna' has no tuning algorithm 'hyperband'.*Expected one of: tpe",
        ),
        ({"pruner": "best"}, r"pruner 'best'.*median"),
        ({"max_trials": 0}, r"max_trials=0 was given. Expected at least 1"),
        ({"max_trials": -3}, r"max_trials=-3"),
        ({"workers": -1}, r"workers=-1.*0 \(train in this process\)"),
        ({"seed": -1}, r"seed=-1"),
        ({"study_name": ""}, r"study name is ''"),
        ({"study_name": ".."}, r"study name is '\.\.'"),
        ({"study_name": "a/b"}, r"letters, digits"),
        ({"study_name": "x" * 101}, r"up to 46"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(wrong, what):
    with pytest.raises(InputError, match=what):
        SearchOptions(**wrong)


@pytest.mark.parametrize(
    ("options", "dummy", "name"),
    [
        ({"method": "optuna"}, False, "emotion_optuna"),
        ({"method": "keras-tuner"}, False, "emotion_bayesian"),
        ({"method": "keras-tuner", "algorithm": "hyperband"}, True, "emotion_hyperband_dummy"),
        ({"study_name": "mine.2"}, True, "mine.2"),
    ],
)
def test_names_of_studies(options, dummy, name):
    assert SearchOptions(**options).name_for("emotion", dummy) == name


def test_paths_may_be_text():
    options = SearchOptions(directory="elsewhere", config="config.py")
    assert (options.directory, options.config) == (Path("elsewhere"), Path("config.py"))


def test_a_searcher_made_by_a_lambda_has_a_study_of_its_own_name():
    options = SearchOptions(searcher=lambda problem: problem)
    assert (options.chosen_algorithm, options.name_for("digits", is_dummy=False)) == ("own", "digits_own")


def test_why_a_second_process_is_refused():
    class Own:
        name = "sobol"

    assert "--method optuna" in SearchOptions(method="keras-tuner").why_alone
    assert "'sobol' keeps its state" in SearchOptions(searcher=Own).why_alone
