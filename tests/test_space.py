"""The space as data: ranges, grids, keys, conditions, and what changed between two spaces."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from truetune.errors import SpaceError
from truetune.space import Condition, Hyperparameter, Space


def integer(name="n", low=0, high=10, step=1, default=None, sampling="linear", conditions=()):
    default = low if default is None else default
    return Hyperparameter("Int", name, default, low=low, high=high, step=step, sampling=sampling, conditions=conditions)


def number(name="x", low=0.0, high=1.0, step=None, default=None, sampling="linear"):
    default = low if default is None else default
    return Hyperparameter("Float", name, default, low=low, high=high, step=step, sampling=sampling)


def choice(*values, name="c", default=None, conditions=()):
    return Hyperparameter("Choice", name, default or values[0], choices=values, conditions=conditions)


@st.composite
def stepped(draw):
    """Int and Float ranges with a step, linear and logarithmic, of up to some hundred values."""
    kind = draw(st.sampled_from(["Int", "Float"]))
    sampling = draw(st.sampled_from(["linear", "log", "reverse_log"]))
    if sampling == "linear":
        low = draw(st.integers(-1000, 1000))
        step = draw(st.integers(1, 50))
        high = low + draw(st.integers(0, 5000))
    else:
        low, step = draw(st.integers(1, 50)), draw(st.integers(2, 10))
        high = low * draw(st.integers(1, 10000))
    if kind == "Int":
        made = integer(low=low, high=high, step=step, sampling=sampling)
    else:
        scale = draw(st.sampled_from([1.0, 0.1, 1e-3]))
        factor = step if sampling != "linear" else step * scale
        made = number(low=low * scale, high=high * scale, step=float(factor), sampling=sampling)
    # The steps of a reverse_log range go down from its upper end, and may miss the lower one.
    return replace(made, default=made.nearest(low))


@given(stepped())
def test_the_grid_is_ascending_inside_the_range_and_contained(hyperparameter):
    grid = hyperparameter.grid()
    assert list(grid) == sorted(grid)
    assert len(grid) == hyperparameter.size()
    assert all(hyperparameter.contains(value) for value in grid)
    slack = 1e-6 * abs(hyperparameter.high)
    assert all(hyperparameter.low - slack <= value <= hyperparameter.high + slack for value in grid)


@given(stepped(), st.floats(-1e7, 1e7))
def test_nearest_is_contained_and_no_grid_value_is_nearer(hyperparameter, value):
    nearest = hyperparameter.nearest(value)
    assert hyperparameter.contains(nearest)
    clipped = min(max(value, hyperparameter.low), hyperparameter.high)
    best = min(abs(point - clipped) for point in hyperparameter.grid())
    assert abs(nearest - clipped) <= best + 1e-9 * max(1.0, abs(clipped))


@given(stepped(), st.integers(0, 100))
def test_nearest_leaves_what_is_contained(hyperparameter, index):
    grid = hyperparameter.grid()
    value = grid[index % len(grid)]
    assert hyperparameter.nearest(value) == value


@given(stepped(), st.floats(0.05, 0.95))
def test_values_between_the_steps_are_not_contained(hyperparameter, fraction):
    grid = hyperparameter.grid()
    assume(len(grid) > 1)
    between = grid[0] + fraction * (grid[1] - grid[0])
    value = math.floor(between) if hyperparameter.kind == "Int" else between
    assume(all(not math.isclose(value, point, rel_tol=1e-6) for point in grid))
    assert not hyperparameter.contains(value)


def test_a_huge_range_is_not_enumerated():
    huge = integer(low=0, high=2**40)
    fine = number(low=0.0, high=1.0, step=1e-9)
    started = time.perf_counter()
    assert huge.contains(2**39)
    assert not huge.contains(2**40 + 1)
    assert huge.nearest(2**39 + 0.4) == 2**39
    assert huge.nearest(2**41) == 2**40
    assert huge.size() == 2**40 + 1
    assert fine.contains(0.123456789)
    assert not fine.contains(0.1234567895)
    huge.check()
    assert time.perf_counter() - started < 1.0


def test_the_bounds_of_a_huge_integer_range_are_exact():
    huge = integer(low=0, high=2**31 - 1)
    assert huge.contains(2**31 - 1)
    assert not huge.contains(2**31)
    assert not huge.contains(-1)


def test_a_small_learning_rate_is_never_negative():
    rate = number(low=1e-10, high=1.0, sampling="log")
    assert rate.contains(1e-10)
    assert not rate.contains(-5e-10)
    assert not rate.contains(0.0)


@pytest.mark.parametrize(
    ("hyperparameter", "value"),
    [
        (integer(), 3.0),
        (integer(), True),
        (integer(), "3"),
        (number(), True),
        (number(), "0.5"),
        (number(), math.nan),
        (number(), math.inf),
        (choice(1, 2), 1.0),
        (choice(1, 2), True),
        (choice("a", "b"), "c"),
        (Hyperparameter("Boolean", "b", False), 1),
        (Hyperparameter("Fixed", "f", 3, choices=(3,)), 4),
    ],
)
def test_a_value_of_another_type_or_outside_is_not_contained(hyperparameter, value):
    assert not hyperparameter.contains(value)


def test_nearest_where_no_distance_makes_sense_is_the_default():
    assert choice("a", "b", default="b").nearest("c") == "b"
    assert choice("a", "b").nearest(3) == "a"
    assert integer(default=4).nearest("many") == 4
    assert integer(default=4).nearest(True) == 4
    assert integer(default=4).nearest(math.nan) == 4
    assert Hyperparameter("Boolean", "b", True).nearest(0) is True


def test_nearest_of_numeric_choices_is_the_closest():
    assert choice(16, 32, 64).nearest(40) == 32
    assert choice(0.1, 0.01).nearest(0.05) == 0.01


def test_nearest_of_a_float_is_a_float():
    assert isinstance(number(low=0, high=1).nearest(3), float)
    assert number(low=0.0, high=1.0).nearest(math.inf) == 1.0


def test_the_grid_of_floats_reads_as_a_person_writes_it():
    assert number(low=0.1, high=0.5, step=0.1).grid() == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert number(low=0.1, high=0.5, step=0.1).nearest(0.31) == 0.3


def test_what_has_no_grid():
    assert number().grid() is None
    assert number().size() is None
    assert integer(low=1, high=100, step=None, sampling="log").size() is None


@pytest.mark.parametrize(
    ("hyperparameter", "instead"),
    [
        (integer(low=1, high=256, default=512), "256"),
        (integer(low=32, high=256, step=32, default=100), "96"),
        (number(default=1.5), "1.0"),
        (choice("relu", "tanh", default="gelu"), "'relu'"),
    ],
)
def test_a_default_outside_the_range_is_refused_with_one_that_would_do(hyperparameter, instead):
    with pytest.raises(SpaceError, match=f"'{hyperparameter.name}'.*for example {instead}"):
        hyperparameter.check()


@pytest.mark.parametrize("bound", [math.nan, math.inf])
def test_a_bound_that_is_not_finite_is_refused(bound):
    with pytest.raises(SpaceError, match="finite"):
        number(high=bound).check()


# Space


def test_the_same_declaration_twice_is_one_entry():
    space = Space()
    assert space.add(integer()) == "n"
    assert space.add(integer()) == "n"
    assert list(space) == ["n"]


def test_another_range_under_the_same_name_is_refused_with_both():
    space = Space()
    space.add(integer(low=1, high=10))
    with pytest.raises(SpaceError, match=r"'n' is declared twice.*1…10.*2…20.*one range, or two names"):
        space.add(integer(low=2, high=20))


def test_another_default_under_the_same_name_is_refused():
    space = Space()
    space.add(integer(default=1))
    with pytest.raises(SpaceError, match=r"default 1, then as .* default 2"):
        space.add(integer(default=2))


def test_one_name_under_two_conditions_gets_two_keys():
    space = Space()
    cnn = (Condition("model", ("cnn",)),)
    rnn = (Condition("model", ("rnn", "gru")),)
    assert space.add(integer("units", high=5, conditions=cnn)) == "units"
    assert space.add(integer("units", high=9, conditions=rnn)) == "units@model=rnn|gru"
    assert space.add(integer("units", high=9, conditions=rnn)) == "units@model=rnn|gru"
    assert space.is_active("units", {"model": "cnn"})
    assert not space.is_active("units", {"model": "gru"})
    assert space.is_active("units@model=rnn|gru", {"model": "gru"})
    assert space.names({"units@model=rnn|gru": 3, "unknown": 1}) == {"units": 3, "unknown": 1}


def test_a_condition_on_an_absent_parent_does_not_hold():
    assert not Condition("model", ("cnn",)).holds({})


def test_tunable_leaves_out_what_is_fixed():
    space = Space()
    space.add(integer())
    space.add(Hyperparameter("Fixed", "f", 3, choices=(3,)))
    assert list(space.tunable()) == ["n"]


def spaces():
    names = st.sampled_from(["a", "b", "c", "d"])
    conditions = st.sampled_from([(), (Condition("a", (0, 1)),)])

    @st.composite
    def one(draw):
        base = draw(st.one_of(stepped(), st.just(choice("x", "y")), st.just(Hyperparameter("Boolean", "b", True))))
        fields = {**vars(base), "name": draw(names), "conditions": draw(conditions)}
        return Hyperparameter(**fields)

    return st.lists(one(), max_size=5, unique_by=lambda hp: (hp.name, hp.conditions)).map(_space_of)


def _space_of(hyperparameters):
    space = Space()
    for hyperparameter in hyperparameters:
        space.add(hyperparameter)
    return space


@given(spaces())
def test_a_space_survives_json(space):
    again = Space.from_config(json.loads(json.dumps(space.to_config())))
    assert again.entries == space.entries
    assert again.fingerprint() == space.fingerprint()
    assert space.differences(again) == []


@given(spaces(), spaces())
def test_differences_are_empty_exactly_for_equal_spaces(one, other):
    assert (one.differences(other) == []) == (one.entries == other.entries)
    assert len(one.differences(other)) == len(other.differences(one))


def test_the_order_of_hyperparameters_does_not_change_the_fingerprint():
    one, other = _space_of([integer(), number()]), _space_of([number(), integer()])
    assert one.fingerprint() == other.fingerprint()
    assert one.fingerprint() != _space_of([integer()]).fingerprint()


def test_differences_are_said_in_words():
    before = _space_of([integer("gone"), integer("units", high=10), integer("same")])
    after = _space_of([integer("units", high=20, default=2), integer("same"), choice("a", "b", name="act")])
    assert before.differences(after) == [
        "act: new, {'a', 'b'}",
        "gone: gone, was 0…10",
        "units: was 0…10 (default 0), now 0…20 (default 2)",
    ]


def test_a_copy_grows_alone():
    space = _space_of([integer()])
    twin = space.copy()
    twin.add(number())
    assert len(space) == 1
