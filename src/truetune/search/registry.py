"""The list of algorithms, which the command line, the options, plans and the documentation read.

Importing this loads neither KerasTuner nor Optuna. A new algorithm is one more entry in `ALGORITHMS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from truetune.errors import InputError
from truetune.search.base import Searcher, SearchProblem
from truetune.search.hyperband.plan import HyperbandPlan, plan_hyperband

METHODS: Mapping[str, str] = {"keras-tuner": "KerasTuner", "optuna": "Optuna"}
"""The libraries: the value of `--method`, and the name."""

DEFAULT_METHOD = "optuna"
"""The default of the command and of the library; see docs/decisions/search-algorithms.md."""

PRUNERS = ("median", "none", "hyperband", "successive-halving")
"""The pruners of `search/optuna/pruners.py`; the first is the default."""


@dataclass(frozen=True)
class SearcherSettings:
    """Settings of a searcher that are not part of the problem.

    Attributes:
        pruner: one of `PRUNERS`; ignored unless the algorithm `prunes`.
        project_dir: folder in which a KerasTuner search leaves a project that plain KerasTuner can reload; None: no
            project.
        plan: Hyperband's schedule of an earlier run, to be extended; None: a new one.
    """

    pruner: str = PRUNERS[0]
    project_dir: Path | None = None
    plan: HyperbandPlan | None = None


@dataclass(frozen=True)
class SearchBudget:
    """Upper bounds of a search: its trials, and the epochs of all trials in total."""

    trials: int
    epochs: int


def every_trial_in_full(max_trials: int, epochs: int) -> SearchBudget:
    """The budget of an algorithm without a schedule."""
    return SearchBudget(max_trials, max_trials * epochs)


@dataclass(frozen=True)
class Algorithm:
    """One search algorithm.

    Attributes:
        name: the value of `--tuning-algorithm`.
        method: its library, a key of `METHODS`.
        make: imports the library and returns the searcher.
        what: a description of a few words, for the documentation.
        good_for: when to choose it, for the documentation.
        needs: its requirements, for the documentation.
        plan: its budget, from the maximum number of trials and the epochs of a full training.
        shares_study: whether several processes may search one study.
        prunes: whether it stops hopeless trials with a pruner.
        keeps_project: whether it leaves a KerasTuner project.
        needs_tensorflow: whether it loads TensorFlow in the searching process; workers always do.
        study_suffix: ending of its studies' names; None: its name.
    """

    name: str
    method: str
    make: Callable[[SearchProblem, SearcherSettings], Searcher]
    what: str
    good_for: str
    needs: str = ""
    plan: Callable[[int, int], SearchBudget] = every_trial_in_full
    shares_study: bool = False
    prunes: bool = False
    keeps_project: bool = False
    needs_tensorflow: bool = False
    study_suffix: str | None = None

    @property
    def suffix(self) -> str:
        """The ending of its studies' names."""
        return self.study_suffix or self.name


def _bayesian(problem: SearchProblem, settings: SearcherSettings) -> Searcher:
    from truetune.search.keras_tuner import bayesian

    return bayesian(problem, settings.project_dir)


def _hyperband(problem: SearchProblem, settings: SearcherSettings) -> Searcher:
    from truetune.search.keras_tuner import hyperband

    return hyperband(problem, settings.project_dir, settings.plan)


def _hyperband_budget(max_trials: int, epochs: int) -> SearchBudget:
    schedule = plan_hyperband(max_trials, epochs)
    return SearchBudget(schedule.trials, schedule.epochs_total)


def _random(problem: SearchProblem, settings: SearcherSettings) -> Searcher:
    from truetune.search.keras_tuner import random_search

    return random_search(problem, settings.project_dir)


def _grid(problem: SearchProblem, settings: SearcherSettings) -> Searcher:
    from truetune.search.keras_tuner import grid

    return grid(problem, settings.project_dir)


def _tpe(problem: SearchProblem, settings: SearcherSettings) -> Searcher:
    from truetune.search.optuna.searcher import TPESearcher

    return TPESearcher(problem, pruner=settings.pruner)


ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm(
        name="tpe",
        method="optuna",
        make=_tpe,
        what="TPE with pruning",
        good_for="conditional spaces, many choices, many trials; several processes or machines on one study",
        shares_study=True,
        prunes=True,
        study_suffix="optuna",
    ),
    Algorithm(
        name="bayesian",
        method="keras-tuner",
        make=_bayesian,
        what="Bayesian (Gaussian process)",
        good_for="up to a few dozen trials, mostly numeric ranges",
        keeps_project=True,
        needs_tensorflow=True,
    ),
    Algorithm(
        name="hyperband",
        method="keras-tuner",
        make=_hyperband,
        plan=_hyperband_budget,
        what="Hyperband",
        good_for="trainings of many epochs, when bad ones show early",
        needs="enough trials for its schedule; `truetune plan` prints it",
        keeps_project=True,
        needs_tensorflow=True,
    ),
    Algorithm(
        name="random",
        method="keras-tuner",
        make=_random,
        what="random search",
        good_for="a baseline; many workers",
        keeps_project=True,
        needs_tensorflow=True,
    ),
    Algorithm(
        name="grid",
        method="keras-tuner",
        make=_grid,
        what="grid search",
        good_for="small spaces",
        needs="`Choice`, `Boolean` or stepped ranges, or `--grid-points`",
        keeps_project=True,
        needs_tensorflow=True,
    ),
)
"""The first of each method is the method's default."""


def algorithms_of(method: str) -> tuple[str, ...]:
    """The names of a method's algorithms, its default first."""
    return tuple(algorithm.name for algorithm in ALGORITHMS if algorithm.method == method)


def choose_algorithm(method: str | None = None, name: str | None = None) -> Algorithm:
    """The algorithm that `--method` and `--tuning-algorithm` name.

    Args:
        method: None: the method of the algorithm, or `DEFAULT_METHOD`.
        name: None: the method's default algorithm.

    Raises:
        InputError: the method or the algorithm does not exist, or the algorithm belongs to another method.
    """
    if method is not None and method not in METHODS:
        raise InputError(f"The method {method!r} does not exist. Expected one of: {', '.join(METHODS)}.")
    if name is None:
        return next(algorithm for algorithm in ALGORITHMS if algorithm.method == (method or DEFAULT_METHOD))
    algorithm = next((algorithm for algorithm in ALGORITHMS if algorithm.name == name), None)
    if algorithm is None:
        raise _no_algorithm(method, name)
    if method not in (None, algorithm.method):
        known = ", ".join(algorithms_of(method))
        raise InputError(
            f"The method {method!r} has no tuning algorithm {name!r}. Expected one of: {known}; "
            f"{name} belongs to --method {algorithm.method}."
        )
    return algorithm


def make_searcher(
    method: str | None, algorithm: str | None, problem: SearchProblem, settings: SearcherSettings | None = None
) -> Searcher:
    """The searcher that `--method` and `--tuning-algorithm` name.

    Raises:
        InputError: the method, the algorithm or the pruner does not exist.
        SpaceError: grid search on a space with a continuous range.
    """
    return choose_algorithm(method, algorithm).make(problem, settings or SearcherSettings())


def _no_algorithm(method: str | None, name: str) -> InputError:
    known = [algorithm.name for algorithm in ALGORITHMS] if method is None else list(algorithms_of(method))
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return InputError(f"The tuning algorithm {name!r} does not exist.{meant} Expected one of: {', '.join(known)}.")
