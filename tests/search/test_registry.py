"""Searchers by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from truetune.errors import InputError
from truetune.search import SearchProblem, make_searcher
from truetune.space import Hyperparameter, Space


def problem() -> SearchProblem:
    space = Space()
    space.add(Hyperparameter("Boolean", "b", False))
    return SearchProblem(space, "max", "val_accuracy", 5, 3, 0)


def test_optuna_by_name() -> None:
    assert make_searcher("optuna", "tpe", problem()).name == "tpe"
    assert make_searcher("optuna", None, problem(), pruner="none").name == "tpe"


@pytest.mark.tensorflow
@pytest.mark.parametrize("algorithm", ["bayesian", "hyperband", "random", "grid"])
def test_keras_tuner_by_name(algorithm: str) -> None:
    assert make_searcher("keras-tuner", algorithm, problem()).name == algorithm


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'ray'.*keras-tuner, optuna"):
        make_searcher("ray", None, problem())
    with pytest.raises(InputError, match=r"'tpe'.*'keras-tuner'.*bayesian, hyperband, random, grid"):
        make_searcher("keras-tuner", "tpe", problem())


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, truetune.search, truetune.testing; "
        "print([m for m in ('tensorflow', 'keras', 'keras_tuner', 'optuna', 'sklearn', 'pytest') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
