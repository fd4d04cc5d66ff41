"""Our hyperparameters as Optuna's distributions: natural ones for the record, encoded ones for the sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from truetune.search.values import tidy_grid
from truetune.space import Hyperparameter, Value


@dataclass(frozen=True)
class Encoding:
    """What the sampler sees in place of a hyperparameter; `decode` undoes `encode`."""

    distribution: BaseDistribution
    encode: Callable[[Value], Value]
    decode: Callable[[Value], Value]


def natural_distribution(hyperparameter: Hyperparameter) -> BaseDistribution:
    """The range in the values a person reads, for the record.

    Optuna refuses `step` together with `log`, so a log-stepped range becomes the log range around its grid; it has no
    reverse_log, so that becomes the plain range.
    """
    if hyperparameter.kind == "Boolean":
        return CategoricalDistribution((False, True))
    if hyperparameter.kind in ("Choice", "Fixed"):
        return CategoricalDistribution(hyperparameter.choices or (hyperparameter.default,))
    step = hyperparameter.step if hyperparameter.sampling == "linear" else None
    return _range(hyperparameter, log=hyperparameter.sampling == "log", step=step)


def encoding(hyperparameter: Hyperparameter) -> Encoding:
    """The distribution in which the declared sampling is uniform, with the way there and back.

    A grid of floats, or in log space, is searched by its index; reverse_log is a log range seen in a mirror.
    """
    if hyperparameter.kind not in ("Int", "Float"):
        return Encoding(natural_distribution(hyperparameter), _same, _same)
    if hyperparameter.step is not None and (hyperparameter.kind, hyperparameter.sampling) != ("Int", "linear"):
        return _by_index(hyperparameter)
    if hyperparameter.sampling == "reverse_log":
        return _mirrored(hyperparameter)
    distribution = _range(hyperparameter, log=hyperparameter.sampling == "log", step=hyperparameter.step)
    return Encoding(distribution, _same, _typed(hyperparameter))


def _range(hyperparameter: Hyperparameter, log: bool, step: float | None) -> BaseDistribution:
    low, high = _bounds(hyperparameter)
    # Optuna moves a `high` that is off the grid, with a warning; the last grid value is what it means.
    if hyperparameter.kind == "Int":
        whole_step = 1 if step is None else int(step)
        last = int(low) + (int(high) - int(low)) // whole_step * whole_step
        return IntDistribution(int(low), last, log=log, step=whole_step)
    if step is not None:
        high = float((tidy_grid(hyperparameter) or (high,))[-1])
        step = step if _divides(step, low, high) else None
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _divides(step: float, low: float, high: float) -> bool:
    """As Optuna checks it, on the decimals; steps of more digits than a float has are left out of the record."""
    exact_low, exact_high, exact_step = (Decimal(str(number)) for number in (low, high, step))
    return (exact_high - exact_low) % exact_step == 0


def _by_index(hyperparameter: Hyperparameter) -> Encoding:
    grid = tidy_grid(hyperparameter) or ()

    def encode(value: Value) -> Value:
        return min(range(len(grid)), key=lambda index: abs(float(grid[index]) - float(value)))

    return Encoding(IntDistribution(0, len(grid) - 1), encode, lambda index: grid[int(index)])


def _mirrored(hyperparameter: Hyperparameter) -> Encoding:
    low, high = _bounds(hyperparameter)
    typed = _typed(hyperparameter)

    def mirror(value: Value) -> Value:
        return typed(min(max(low + high - float(value), low), high))

    return Encoding(_range(hyperparameter, log=True, step=None), mirror, mirror)


def _typed(hyperparameter: Hyperparameter) -> Callable[[Value], Value]:
    return (lambda value: round(float(value))) if hyperparameter.kind == "Int" else float


def _bounds(hyperparameter: Hyperparameter) -> tuple[float, float]:
    assert hyperparameter.low is not None
    assert hyperparameter.high is not None
    return hyperparameter.low, hyperparameter.high


def _same(value: Value) -> Value:
    return value
