"""Building a few models finds what a builder may ask for."""

from __future__ import annotations

import pytest

from truetune.errors import BuildError, SpaceError
from truetune.space import Condition

pytestmark = pytest.mark.tensorflow


def compiled():
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def traced(declare):
    from truetune.training.trace import trace_space

    builds = []

    def build(hp):
        builds.append(hp)
        declare(hp)
        return compiled()

    return trace_space(build), builds


def test_branches_of_plain_if_and_for_are_found():
    def declare(hp):
        for i in range(hp.Int("layers", 1, 3)):
            hp.Int(f"units_{i}", 8, 64, step=8)
        if hp.Boolean("dropout"):
            hp.Float("rate", 0.1, 0.5)
        kind = hp.Choice("kind", ["a", "b", "c"])
        if kind == "c":
            hp.Choice("only_c", [1, 2])

    space, builds = traced(declare)
    assert set(space) == {"layers", "units_0", "units_1", "units_2", "dropout", "rate", "kind", "only_c"}
    assert builds[0].values == {"layers": 1, "units_0": 8, "dropout": False, "kind": "a"}
    assert len(builds) <= 16


def test_conditional_scopes_are_found_with_their_conditions():
    def declare(hp):
        hp.Choice("model", ["cnn", "rnn"])
        with hp.conditional_scope("model", ["rnn"]):
            hp.Int("units", 1, 5)

    space, _ = traced(declare)
    assert space["units"].conditions == (Condition("model", ("rnn",)),)


def test_huge_ranges_are_neither_listed_nor_built_at_their_upper_end():
    seen = []

    def declare(hp):
        hp.Boolean("switch")
        seen.append(hp.Int("width", 1, 2**40))

    space, _ = traced(declare)
    assert set(space) == {"switch", "width"}
    assert set(seen) == {1}


def test_more_layers_than_builds_are_found_at_the_upper_end():
    def declare(hp):
        for i in range(hp.Int("layers", 1, 20)):
            hp.Boolean(f"wide_{i}")

    space, _ = traced(declare)
    assert "wide_19" in space


def test_a_builder_without_hyperparameters_has_an_empty_space():
    space, builds = traced(lambda hp: None)
    assert len(space) == 0
    assert len(builds) == 1


def test_declared_hyperparameters_of_a_hypermodel_are_found():
    import keras_tuner as kt

    from truetune.training.trace import trace_space

    class Declaring(kt.HyperModel):
        def declare_hyperparameters(self, hp):
            hp.Int("declared", 1, 5)

        def build(self, hp):
            hp.get("declared")
            return compiled()

    assert list(trace_space(Declaring())) == ["declared"]


def test_a_builder_that_cannot_build_its_defaults_is_shown_its_own_traceback():
    def declare(hp):
        raise ValueError("no such thing")

    with pytest.raises(BuildError, match=r"ValueError: no such thing") as caught:
        traced(declare)
    assert 'raise ValueError("no such thing")' in caught.value.user_traceback
    assert "_declare_and_build" not in caught.value.user_traceback


def test_other_values_that_cannot_be_built_do_not_end_the_trace():
    def declare(hp):
        if hp.Boolean("broken"):
            raise ValueError("this combination does not work")
        hp.Int("units", 1, 3)

    assert set(traced(declare)[0]) == {"broken", "units"}


def test_one_name_with_two_ranges_under_plain_if_is_refused():
    def declare(hp):
        if hp.Boolean("deep"):
            hp.Int("units", 10, 20)
        else:
            hp.Int("units", 1, 5)

    with pytest.raises(SpaceError, match=r"'units' is declared twice"):
        traced(declare)
