"""Values that every searcher treats alike: trial 0, natural types, and what counts as a repetition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal

from truetune.search.base import SearchProblem
from truetune.space import Hyperparameter, Space, Value
from truetune.trial import Trial, TrialState

MAX_ATTEMPTS = 100
"""Proposals for one trial number, all of them repetitions, after which a space counts as used up."""


def random_start(max_trials: int) -> int:
    """Random trials before the model takes over: at most ten and at most a third, so that search happens."""
    return min(10, max(2, max_trials // 3))


def natural(hyperparameter: Hyperparameter, value: Value) -> Value:
    """`value` with the declared type and on the declared grid.

    KerasTuner gives 16.0 for a log-stepped Int, and 1 for True in `Choice([True, False])`.
    """
    if hyperparameter.kind == "Boolean":
        return bool(value)
    if hyperparameter.kind in ("Choice", "Fixed"):
        return next((choice for choice in hyperparameter.choices if choice == value), hyperparameter.default)
    low, high = float(hyperparameter.low or 0.0), float(hyperparameter.high or 0.0)
    number = min(max(float(value), low), high)
    if hyperparameter.kind == "Int" and hyperparameter.step in (None, 1):
        return round(number)
    grid = tidy_grid(hyperparameter)
    return number if grid is None else min(grid, key=lambda point: abs(float(point) - number))


def tidy_grid(hyperparameter: Hyperparameter) -> tuple[Value, ...] | None:
    """The grid without rounding noise: 0.3, where three steps of 0.1 are 0.30000000000000004.

    Otherwise a default written as 0.3 and the grid's own value would count as two configurations.
    """
    grid = hyperparameter.grid()
    if grid is None or hyperparameter.kind != "Float":
        return grid
    low, high, step = (
        Decimal(repr(float(v or 0.0))) for v in (hyperparameter.low, hyperparameter.high, hyperparameter.step)
    )
    if hyperparameter.sampling == "linear":
        points = [low + index * step for index in range(len(grid))]
    else:
        scaled = [low * step**index for index in range(len(grid))]
        points = scaled if hyperparameter.sampling == "log" else [high + low - value for value in scaled]
    return tuple(float(min(max(point, low), high)) for point in points)  # `high` itself was rounded where it was made


def first_value(problem: SearchProblem, key: str, hyperparameter: Hyperparameter) -> Value:
    """The value in trial 0: today's where it is known, the default elsewhere, moved into the range."""
    today = dict(problem.first).get(key, hyperparameter.default)
    if hyperparameter.kind in ("Int", "Float") and not isinstance(today, (bool, str)):
        return natural(hyperparameter, today)
    return hyperparameter.nearest(today)


def first_values(problem: SearchProblem, space: Space) -> dict[str, Value]:
    """Trial 0, by key, without what its own values make inactive."""
    values: dict[str, Value] = {}
    for key, hyperparameter in space.entries.items():
        if space.is_active(key, values):
            values[key] = first_value(problem, key, hyperparameter)
    return values


def repeats(values: Mapping[str, Value], taken: Iterable[Mapping[str, Value]]) -> bool:
    """Whether a builder given `values` would end up with the model of an earlier trial.

    It would if it agrees with that trial on every key the trial used: the builder then asks the same questions, gets
    the same answers, and never looks at the rest of `values`.
    """
    return any(_covers(values, earlier) for earlier in taken)


def _covers(values: Mapping[str, Value], earlier: Mapping[str, Value]) -> bool:
    missing = object()
    return all(values.get(key, missing) == value for key, value in earlier.items())


def final_score(trial: Trial) -> float | None:
    """The score of a trial that search may learn from; None for a failed one and where it is not finite."""
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED) or trial.score is None:
        return None
    return trial.score if math.isfinite(trial.score) else None
