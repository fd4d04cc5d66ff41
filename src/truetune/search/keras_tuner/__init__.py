"""KerasTuner's four search algorithms behind `ask` and `tell`. Importing this loads TensorFlow."""

from __future__ import annotations

from pathlib import Path

from truetune.search.base import SearchProblem
from truetune.search.grid import GridOrder
from truetune.search.hyperband.plan import HyperbandPlan
from truetune.search.keras_tuner.bayesian import BayesianOracle
from truetune.search.keras_tuner.hyperband import HyperbandOracle
from truetune.search.keras_tuner.searcher import KerasTunerSearcher
from truetune.search.keras_tuner.simple import GridOracle, RandomOracle

__all__ = ["KerasTunerSearcher", "bayesian", "grid", "hyperband", "random_search"]


def bayesian(problem: SearchProblem, project_dir: Path | None = None) -> KerasTunerSearcher:
    """Bayesian optimisation with a Gaussian process."""
    oracle = BayesianOracle(problem)
    lines = [
        f"Bayesian search, {_size(problem)}: trial 0 is today's configuration, "
        f"trials up to {oracle.num_initial_points} are random."
    ]
    return KerasTunerSearcher("bayesian", problem, oracle, lines, project_dir)


def hyperband(
    problem: SearchProblem, project_dir: Path | None = None, plan: HyperbandPlan | None = None
) -> KerasTunerSearcher:
    """Hyperband on the largest schedule that fits `problem.max_trials`, or on an earlier run's `plan`, extended."""
    return KerasTunerSearcher("hyperband", problem, HyperbandOracle(problem, plan), [], project_dir)


def random_search(problem: SearchProblem, project_dir: Path | None = None) -> KerasTunerSearcher:
    """Random search."""
    lines = [f"Random search, {_size(problem)}: trial 0 is today's configuration."]
    return KerasTunerSearcher("random", problem, RandomOracle(problem), lines, project_dir)


def grid(problem: SearchProblem, project_dir: Path | None = None) -> KerasTunerSearcher:
    """Grid search, in an order that covers every range early.

    Raises:
        SpaceError: a range is continuous.
    """
    lines = [
        f"Grid search, {_size(problem)}, of a grid of {GridOrder(problem.space).size:,} points "
        "(inactive hyperparameters counted): trial 0 is today's configuration."
    ]
    return KerasTunerSearcher("grid", problem, GridOracle(problem), lines, project_dir)


def _size(problem: SearchProblem) -> str:
    return f"{problem.max_trials} trials of {problem.epochs} epochs"
