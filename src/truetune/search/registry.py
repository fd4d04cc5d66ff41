"""The list of algorithms: what the command line, the options, plans and the documentation know of each.

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
"""The libraries, as `--method` spells them and as people do."""

DEFAULT_METHOD = "optuna"
"""Of the command and of the library; docs/decisions/search-algorithms.md has the reasons."""

PRUNERS = ("median", "none", "hyperband", "successive-halving")
"""The pruners of `search/optuna/pruners.py`; the first is the default."""


@dataclass(frozen=True)
class SearcherSettings:
    """What a searcher may be given besides the problem.

    Attributes:
        pruner: one of `PRUNERS`, for an algorithm that `prunes`.
        project_dir: where a KerasTuner search leaves a project that plain KerasTuner reloads; None leaves none.
        plan: for Hyperband, the schedule of the run that is continued; None plans afresh.
    """

    pruner: str = PRUNERS[0]
    project_dir: Path | None = None
    plan: HyperbandPlan | None = None


@dataclass(frozen=True)
class SearchBudget:
    """What a search trains at most: trials, and the epochs of all of them together."""

    trials: int
    epochs: int


def every_trial_in_full(max_trials: int, epochs: int) -> SearchBudget:
    """The budget of an algorithm without a schedule."""
    return SearchBudget(max_trials, max_trials * epochs)


@dataclass(frozen=True)
class Algorithm:
    """One search algorithm.

    Attributes:
        name: as `--tuning-algorithm` spells it.
        method: as `--method` spells its library.
        make: imports the library and makes the searcher.
        what: it is, for the documentation.
        good_for: what to choose it for, for the documentation.
        needs: what it cannot do without, for the documentation.
        plan: its budget, from the most trials and the epochs of a full training.
        shares_study: several processes may search one study.
        prunes: it stops hopeless trials, by a pruner.
        keeps_project: it leaves a KerasTuner project.
        needs_tensorflow: in the process that searches, not in its workers only.
        study_suffix: what the names of its studies end with; None is its name.
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
        """What the names of its studies end with."""
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
        what="TPE, with pruning",
        good_for="conditions and many choices; many trials; several processes or machines on one study",
        shares_study=True,
        prunes=True,
        study_suffix="optuna",
    ),
    Algorithm(
        name="bayesian",
        method="keras-tuner",
        make=_bayesian,
        what="Bayesian: a Gaussian process",
        good_for="up to some tens of trials, mostly numeric ranges",
        keeps_project=True,
        needs_tensorflow=True,
    ),
    Algorithm(
        name="hyperband",
        method="keras-tuner",
        make=_hyperband,
        plan=_hyperband_budget,
        what="Hyperband",
        good_for="trainings that take many epochs, where bad ones show early",
        needs="as many trials as its schedule has; `truetune plan` shows it",
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
"""Of each method the first is the default."""


def algorithms_of(method: str) -> tuple[str, ...]:
    """The names of a method's algorithms, its default first."""
    return tuple(algorithm.name for algorithm in ALGORITHMS if algorithm.method == method)


def choose_algorithm(method: str | None = None, name: str | None = None) -> Algorithm:
    """The algorithm that `--method` and `--tuning-algorithm` name.

    Args:
        method: None is the one that has the algorithm, or `DEFAULT_METHOD`.
        name: None is the method's default.

    Raises:
        InputError: there is no such method or algorithm, or the method has no such algorithm.
    """
    if method is not None and method not in METHODS:
        raise InputError(f"The method {method!r} does not exist. Expected one of: {', '.join(METHODS)}.")
    if name is None:
        return next(algorithm for algorithm in ALGORITHMS if algorithm.method == (method or DEFAULT_METHOD))
    called = [algorithm for algorithm in ALGORITHMS if algorithm.name == name]
    if not called:
        raise _no_algorithm(method, name)
    if method is None:
        return called[0]
    for algorithm in called:
        if algorithm.method == method:
            return algorithm
    raise InputError(
        f"The method {method!r} has no tuning algorithm {name!r}. Expected one of: {', '.join(algorithms_of(method))}; "
        f"{name} is one of --method {called[0].method}."
    )


def make_searcher(
    method: str | None, algorithm: str | None, problem: SearchProblem, settings: SearcherSettings | None = None
) -> Searcher:
    """The searcher that `--method` and `--tuning-algorithm` name.

    Raises:
        InputError: there is no such method, algorithm or pruner.
        SpaceError: the space has a continuous range, and the algorithm is grid search.
    """
    return choose_algorithm(method, algorithm).make(problem, settings or SearcherSettings())


def _no_algorithm(method: str | None, name: str) -> InputError:
    known = [algorithm.name for algorithm in ALGORITHMS] if method is None else list(algorithms_of(method))
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return InputError(f"The tuning algorithm {name!r} does not exist.{meant} Expected one of: {', '.join(known)}.")
