"""The searchers by name. Importing this loads neither KerasTuner nor Optuna."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from truetune.errors import InputError
from truetune.search.base import Searcher, SearchProblem
from truetune.search.hyperband.plan import HyperbandPlan

Factory = Callable[[SearchProblem, str, Path | None, HyperbandPlan | None], Searcher]


def _tpe(problem: SearchProblem, pruner: str, project_dir: Path | None, plan: HyperbandPlan | None) -> Searcher:
    from truetune.search.optuna.searcher import TPESearcher

    return TPESearcher(problem, pruner=pruner)


def _bayesian(problem: SearchProblem, pruner: str, project_dir: Path | None, plan: HyperbandPlan | None) -> Searcher:
    from truetune.search.keras_tuner import bayesian

    return bayesian(problem, project_dir)


def _hyperband(problem: SearchProblem, pruner: str, project_dir: Path | None, plan: HyperbandPlan | None) -> Searcher:
    from truetune.search.keras_tuner import hyperband

    return hyperband(problem, project_dir, plan)


def _random(problem: SearchProblem, pruner: str, project_dir: Path | None, plan: HyperbandPlan | None) -> Searcher:
    from truetune.search.keras_tuner import random_search

    return random_search(problem, project_dir)


def _grid(problem: SearchProblem, pruner: str, project_dir: Path | None, plan: HyperbandPlan | None) -> Searcher:
    from truetune.search.keras_tuner import grid

    return grid(problem, project_dir)


SEARCHERS: dict[str, dict[str, Factory]] = {
    "keras-tuner": {"bayesian": _bayesian, "hyperband": _hyperband, "random": _random, "grid": _grid},
    "optuna": {"tpe": _tpe},
}
"""Method → algorithm → factory; the first algorithm of a method is its default."""


def make_searcher(
    method: str,
    algorithm: str | None,
    problem: SearchProblem,
    *,
    pruner: str = "median",
    project_dir: Path | None = None,
    plan: HyperbandPlan | None = None,
) -> Searcher:
    """The searcher that `--method` and `--tuning-algorithm` name.

    Args:
        algorithm: None takes the method's default.
        pruner: for Optuna.
        project_dir: where a KerasTuner search leaves a project that plain KerasTuner reloads; None leaves none.
        plan: for Hyperband, the schedule of the run that is continued; None plans afresh.

    Raises:
        InputError: there is no such method, algorithm or pruner.
        SpaceError: the space has a continuous range, and the algorithm is grid search.
    """
    if method not in SEARCHERS:
        raise InputError(f"The method {method!r} was given. Expected one of {', '.join(SEARCHERS)}.")
    algorithms = SEARCHERS[method]
    chosen = next(iter(algorithms)) if algorithm is None else algorithm
    if chosen not in algorithms:
        raise InputError(
            f"The tuning algorithm {chosen!r} was given for the method {method!r}. "
            f"Expected one of {', '.join(algorithms)}."
        )
    return algorithms[chosen](problem, pruner, project_dir, plan)
