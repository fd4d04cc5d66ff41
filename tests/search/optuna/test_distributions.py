"""Hyperparameters as Optuna's distributions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from truetune.search.optuna.distributions import encoding, natural_distribution
from truetune.search.values import tidy_grid
from truetune.space import Hyperparameter, Sampling


def numeric(kind: Any, low: float, high: float, step: float | None, sampling: Sampling) -> Hyperparameter:
    return Hyperparameter(kind, "h", low, low=low, high=high, step=step, sampling=sampling)


@st.composite
def hyperparameters(draw: st.DrawFn) -> Hyperparameter:
    kind = draw(st.sampled_from(["Int", "Float"]))
    sampling: Sampling = draw(st.sampled_from(["linear", "log", "reverse_log"]))
    low = draw(st.integers(1, 50)) if kind == "Int" else draw(st.floats(1e-4, 10))
    high = low + (draw(st.integers(0, 500)) if kind == "Int" else draw(st.floats(0, 100)))
    steps = st.integers(2, 9) if kind == "Int" or sampling != "linear" else st.floats(0.01, 5)
    step = draw(st.none() | steps)
    if kind == "Int" and sampling == "linear" and step is None:
        step = 1
    return numeric(kind, low, high, step, sampling)


@given(hyperparameters(), st.floats(0, 1))
def test_what_the_sampler_draws_lies_in_the_range_and_comes_back(hp: Hyperparameter, share: float) -> None:
    code = encoding(hp)
    distribution = code.distribution
    assert isinstance(distribution, (IntDistribution, FloatDistribution))
    drawn: float = distribution.low + share * (distribution.high - distribution.low)
    if isinstance(distribution, IntDistribution):
        drawn = distribution.low + round((drawn - distribution.low) / distribution.step) * distribution.step
    value = code.decode(drawn)
    assert hp.contains(value)
    assert type(value) is (int if hp.kind == "Int" else float)
    back = code.encode(value)
    assert math.isclose(float(code.decode(back)), float(value), rel_tol=1e-9)  # type: ignore[arg-type]
    assert distribution._contains(distribution.to_internal_repr(back))


@given(hyperparameters())
@example(numeric("Float", 2.5233639888199306, 2 * 2.5233639888199306, 2, "reverse_log"))  # in decimals below its low
def test_the_record_holds_natural_values(hp: Hyperparameter) -> None:
    distribution = natural_distribution(hp)
    for value in tidy_grid(hp) or (hp.low, hp.high):
        assert distribution._contains(distribution.to_internal_repr(value))


def test_natural_distributions_of_each_kind() -> None:
    assert natural_distribution(numeric("Int", 32, 250, 32, "linear")) == IntDistribution(32, 224, step=32)
    assert natural_distribution(numeric("Int", 8, 128, 2, "log")) == IntDistribution(8, 128, log=True)
    assert natural_distribution(numeric("Float", 1e-4, 1e-1, 10, "log")) == FloatDistribution(1e-4, 1e-1, log=True)
    assert natural_distribution(numeric("Float", 1e-4, 1e-1, None, "reverse_log")) == FloatDistribution(1e-4, 1e-1)
    fixed = Hyperparameter("Fixed", "f", "a", choices=("a",))
    assert natural_distribution(fixed) == CategoricalDistribution(("a",))
    assert natural_distribution(Hyperparameter("Boolean", "b", False)) == CategoricalDistribution((False, True))


def test_a_float_grid_holds_no_rounding_noise() -> None:
    code = encoding(numeric("Float", 0.1, 0.5, 0.1, "linear"))
    assert [code.decode(index) for index in range(5)] == [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize("sampling", ["log", "reverse_log"])
def test_log_and_step_go_together(sampling: Sampling) -> None:
    code = encoding(numeric("Int", 8, 128, 2, sampling))
    assert code.distribution == IntDistribution(0, 4)
    assert [code.encode(code.decode(index)) for index in range(5)] == [0, 1, 2, 3, 4]
