"""The order in which grid search walks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.errors import SpaceError
from truetune.search.grid import GridOrder, spaced
from truetune.space import Condition, Hyperparameter, Space


def choices(*sizes: int) -> Space:
    space = Space()
    for index, size in enumerate(sizes):
        values = tuple(f"v{number}" for number in range(size))
        space.add(Hyperparameter("Choice", f"h{index}", values[0], choices=values))
    return space


@settings(max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_every_point_is_met_exactly_once(sizes: list[int]) -> None:
    order = GridOrder(choices(*sizes))
    points = {tuple(order.point(index).items()) for index in range(order.size)}
    assert len(points) == order.size


@given(st.lists(st.integers(2, 12), min_size=2, max_size=8))
def test_every_range_is_covered_in_as_many_points_as_it_has_values(sizes: list[int]) -> None:
    order = GridOrder(choices(*sizes))
    for index, size in enumerate(sizes):
        assert len({order.point(t)[f"h{index}"] for t in range(size)}) == size


def test_hyperparameters_of_one_size_do_not_move_together() -> None:
    order = GridOrder(choices(6, 6, 6, 6))
    points = [order.point(t) for t in range(36)]
    for one in range(4):
        for other in range(one):
            assert len({(point[f"h{one}"], point[f"h{other}"]) for point in points}) > 15


def test_a_huge_grid_is_not_held_in_memory() -> None:
    space = Space()
    for index in range(20):
        space.add(Hyperparameter("Int", f"h{index}", 1, low=1, high=2000, step=1))
    order = GridOrder(space)
    assert order.size == 2000**20
    assert order.point(0) != order.point(10**60)
    assert len({order.point(t)["h7"] for t in range(2000)}) == 2000


def test_inactive_values_are_left_out() -> None:
    space = choices(2)
    space.add(Hyperparameter("Boolean", "child", False, conditions=(Condition("h0", ("v1",)),)))
    order = GridOrder(space)
    for point in (order.point(t) for t in range(order.size)):
        assert ("child" in point) == (point["h0"] == "v1")


def test_a_continuous_range_is_refused_with_its_name_and_advice() -> None:
    space = choices(2)
    space.add(Hyperparameter("Float", "learning_rate", 0.1, low=0.01, high=0.1, sampling="log"))
    with pytest.raises(SpaceError, match=r"learning_rate.*step=.*random"):
        GridOrder(space)


@pytest.mark.parametrize("sampling", ["linear", "log", "reverse_log"])
def test_points_of_a_continuous_range_hold_its_ends_and_keep_its_sampling(sampling: str) -> None:
    rate = Hyperparameter("Float", "rate", 1e-3, low=1e-4, high=1e-2, sampling=sampling)
    points = spaced(rate, 5)
    assert (points[0], points[-1]) == (1e-4, 1e-2)
    assert list(points) == sorted(points)
    assert all(rate.contains(point) for point in points)
    gaps = [b - a for a, b in pairwise(points)]
    expected = {"linear": max(gaps) - min(gaps) < 1e-12, "log": gaps[0] < gaps[-1], "reverse_log": gaps[0] > gaps[-1]}
    assert expected[sampling]


def test_a_grid_of_continuous_ranges_visits_every_chosen_point() -> None:
    space = Space()
    space.add(Hyperparameter("Float", "rate", 1e-3, low=1e-4, high=1e-2, sampling="log"))
    space.add(Hyperparameter("Int", "units", 8, low=4, high=64, sampling="log"))
    order = GridOrder(space, points=3)
    found = {tuple(order.point(index).items()) for index in range(order.size)}
    assert len(found) == order.size == 9
    assert {units for _, (_, units) in found} == {4, 16, 64}
    with pytest.raises(SpaceError, match="--grid-points"):
        GridOrder(space)
