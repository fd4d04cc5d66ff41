"""`hp` behaves as KerasTuner's own, is answered by us, and refuses what KerasTuner lets through."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truetune.errors import SpaceError
from truetune.space import Condition, Hyperparameter

pytestmark = pytest.mark.tensorflow


def ours(answer=None):
    from truetune.hyperparameters import HyperParameters, defaults

    return HyperParameters(answer or defaults)


def theirs():
    import keras_tuner as kt

    return kt.HyperParameters()


# Random builders: the same statements run on both containers


@dataclass(frozen=True)
class Declare:
    kind: str
    name: str
    arguments: tuple[tuple[str, object], ...]

    def run(self, hp, seen):
        seen.append((self.name, getattr(hp, self.kind)(self.name, **dict(self.arguments))))


@dataclass(frozen=True)
class Scope:
    """`conditional_scope` on an earlier hyperparameter."""

    parent: str
    values: tuple[object, ...]
    body: tuple[object, ...]

    def run(self, hp, seen):
        with hp.conditional_scope(self.parent, list(self.values)):
            for statement in self.body:
                statement.run(hp, seen)


@dataclass(frozen=True)
class Named:
    scope: str
    body: tuple[object, ...]

    def run(self, hp, seen):
        with hp.name_scope(self.scope):
            for statement in self.body:
                statement.run(hp, seen)


@dataclass(frozen=True)
class PlainIf:
    """A Python `if` on a value that was just declared."""

    test: Declare
    wanted: object
    body: tuple[object, ...]

    def run(self, hp, seen):
        self.test.run(hp, seen)
        if seen[-1][1] == self.wanted:
            for statement in self.body:
                statement.run(hp, seen)


@dataclass(frozen=True)
class ByParentName:
    parent: str
    values: tuple[object, ...]
    name: str

    def run(self, hp, seen):
        value = hp.Int(self.name, 1, 4, parent_name=self.parent, parent_values=list(self.values))
        seen.append((self.name, value))


def declarations(name):
    low = st.integers(1, 20)
    width = st.integers(0, 50)

    @st.composite
    def integer(draw):
        start, step = draw(low), draw(st.sampled_from([None, 1, 3]))
        sampling = draw(st.sampled_from(["linear", "log", "reverse_log"]))
        end = start + draw(width)
        arguments = {"min_value": start, "max_value": end, "sampling": sampling}
        if sampling == "log" and step == 3:
            arguments["step"] = 3
        elif sampling == "linear" and step is not None:
            arguments["step"] = step
            arguments["default"] = start + step * draw(st.integers(0, (end - start) // step))
        return Declare("Int", name, tuple(arguments.items()))

    @st.composite
    def floating(draw):
        start = draw(st.sampled_from([1e-5, 0.1, 1.0, 2]))
        arguments = {"min_value": start, "max_value": start * 100}
        arguments["sampling"] = draw(st.sampled_from(["linear", "log", "reverse_log"]))
        if draw(st.booleans()):
            arguments["default"] = start * 10
        return Declare("Float", name, tuple(arguments.items()))

    values = st.sampled_from([("a", "b", "c"), (1, 2, 3), (0.5, 0.25)])
    choices = values.flatmap(
        lambda v: st.sampled_from([None, *v]).map(
            lambda default: Declare("Choice", name, (("values", list(v)), ("default", default)))
        )
    )
    booleans = st.booleans().map(lambda default: Declare("Boolean", name, (("default", default),)))
    fixed = st.sampled_from([1, 2.5, "x", True]).map(lambda value: Declare("Fixed", name, (("value", value),)))
    return st.one_of(integer(), floating(), choices, booleans, fixed)


@st.composite
def builders(draw):
    """Up to a dozen statements, nested two deep; every name is declared in one way."""
    counter = iter(range(100))

    def fresh():
        return f"p{next(counter)}"

    def block(depth):
        statements = []
        for _ in range(draw(st.integers(1, 3))):
            statements.extend(statement(depth))
        return tuple(statements)

    def statement(depth):
        shape = draw(st.sampled_from(["declare", "scope", "named", "if", "parent"] if depth < 2 else ["declare"]))
        if shape == "declare":
            declared = draw(declarations(fresh()))
            return [declared] * draw(st.integers(1, 2))
        if shape == "named":
            return [Named(fresh(), block(depth + 1))]
        parent = fresh()
        switch = Declare(
            "Choice", parent, (("values", ["on", "off"]), ("default", draw(st.sampled_from(["on", "off"]))))
        )
        if shape == "if":
            return [PlainIf(switch, "on", block(depth + 1))]
        if shape == "parent":
            return [switch, ByParentName(parent, ("on",), fresh())]
        return [switch, Scope(parent, tuple(draw(st.sampled_from([["on"], ["off"], ["on", "off"]]))), block(depth + 1))]

    return block(0)


def run(builder, hp):
    seen = []
    for statement in builder:
        statement.run(hp, seen)
    return seen


@given(builders())
def test_a_builder_sees_what_it_would_see_under_kerastuner(builder):
    mine, reference = ours(), theirs()
    assert run(builder, mine) == run(builder, reference)
    assert mine.values == reference.values
    assert [hp.get_config() for hp in mine.space] == [hp.get_config() for hp in reference.space]


@given(builders())
def test_every_value_has_the_type_it_was_declared_with(builder):
    hp = ours()
    run(builder, hp)
    for key, declared in hp.declared.entries.items():
        if declared.name in hp.values and hp.declared.is_active(key, hp.values):
            assert declared.contains(hp.values[declared.name])


@given(builders())
def test_a_recorded_space_goes_to_kerastuner_and_back(builder):
    from truetune.hyperparameters import from_keras_tuner, to_keras_tuner

    hp = ours()
    run(builder, hp)
    for declared in hp.declared.entries.values():
        assert from_keras_tuner(to_keras_tuner(declared)) == declared


@given(builders())
def test_fixed_values_give_the_same_model_again(builder):
    from truetune.hyperparameters import fixed

    first = ours(lambda hp: hp.nearest(hp.high) if hp.high is not None else (hp.choices or (True,))[-1])
    seen = run(builder, first)
    again = ours(fixed(first.values))
    assert run(builder, again) == seen
    assert again.values == first.values


# KerasTuner's private API that the adapter stands on


def test_the_five_constructors_still_funnel_through_retrieve_and_register():
    import keras_tuner as kt

    assert list(inspect.signature(kt.HyperParameters._retrieve).parameters) == ["self", "hp"]
    assert list(inspect.signature(kt.HyperParameters._register).parameters) == ["self", "hyperparameter", "overwrite"]
    calls = []

    class Listening(kt.HyperParameters):
        def _retrieve(self, hp):
            calls.append("retrieve")
            return super()._retrieve(hp)

        def _register(self, hyperparameter, overwrite=False):
            calls.append(type(hyperparameter).__name__)
            return super()._register(hyperparameter, overwrite)

    hp = Listening()
    hp.Int("i", 1, 2)
    hp.Float("f", 1, 2)
    hp.Choice("c", [1, 2])
    hp.Boolean("b")
    hp.Fixed("x", 1)
    kinds = ["Int", "Float", "Choice", "Boolean", "Fixed"]
    assert calls == [word for kind in kinds for word in ("retrieve", kind)]
    assert {"_hps", "_space", "_conditions", "values"} <= set(vars(hp))


def test_conditions_of_kerastuner_have_a_name_and_values():
    from keras_tuner.src.engine.conditions import Parent

    condition = Parent("model", ["cnn"])
    assert (condition.name, list(condition.values)) == ("model", ["cnn"])


# Values


def test_each_hyperparameter_is_asked_for_once():
    asked = []

    def answer(hyperparameter):
        asked.append(hyperparameter.name)
        return hyperparameter.default

    hp = ours(answer)
    for _ in range(3):
        assert hp.Int("n", 1, 5, default=2) == 2
    assert asked == ["n"]


def test_inactive_scopes_return_none_and_are_declared():
    hp = ours()
    hp.Choice("model", ["cnn", "rnn"])
    with hp.conditional_scope("model", ["rnn"]):
        assert hp.Int("units", 1, 5) is None
    assert "units" not in hp.values
    assert hp.declared["units"].conditions == (Condition("model", ("rnn",)),)
    with pytest.raises(ValueError, match="inactive"):
        hp.get("units")


def test_get_values_and_contains():
    hp = ours(lambda hyperparameter: 3)
    hp.Int("n", 1, 5)
    assert hp.get("n") == hp["n"] == 3
    assert "n" in hp
    assert hp.values == {"n": 3}
    with pytest.raises(KeyError):
        hp.get("m")


def test_name_scopes_are_part_of_the_name():
    hp = ours()
    with hp.name_scope("encoder"):
        hp.Int("units", 1, 5)
    assert list(hp.declared) == ["encoder/units"]
    assert hp.values == {"encoder/units": 1}


def test_a_copy_keeps_values_and_space_and_asks_the_same_source():
    hp = ours(lambda hyperparameter: 3)
    hp.Int("n", 1, 5)
    twin = hp.copy()
    assert type(twin) is type(hp)
    assert twin.values == {"n": 3}
    assert twin.Int("n", 1, 5) == 3
    assert twin.Int("m", 1, 5) == 3
    assert "m" not in hp.values
    assert "m" not in hp.declared
    assert [entry.name for entry in twin.space] == ["n", "m"]


def test_a_config_goes_through_kerastuners_container():
    hp = ours(lambda hyperparameter: 3)
    hp.Int("n", 1, 5)
    again = type(hp).from_config(hp.get_config())
    assert again.values == {"n": 3}
    assert again.Int("n", 1, 5) == 3


# Refusals


def test_a_default_outside_the_range_is_refused_at_once():
    with pytest.raises(SpaceError, match=r"'batch' is 512, .* 16…256.*for example 256"):
        ours().Int("batch", 16, 256, default=512)
    with pytest.raises(SpaceError, match="'rate'"):
        ours().Float("rate", 1e-4, 1e-2, sampling="log", default=0.1)


def test_a_default_outside_the_range_is_refused_in_an_inactive_scope_too():
    hp = ours()
    hp.Boolean("deep")
    with hp.conditional_scope("deep", [True]), pytest.raises(SpaceError, match="'units'"):
        hp.Int("units", 1, 5, default=9)


def test_an_unknown_default_choice_is_refused():
    with pytest.raises(SpaceError, match=r"'act' is 'gelu'. Expected one of \['relu', 'tanh'\]"):
        ours().Choice("act", ["relu", "tanh"], default="gelu")


@pytest.mark.parametrize(
    ("again", "what"),
    [
        (lambda hp: hp.Int("n", 1, 20), "1…20"),
        (lambda hp: hp.Int("n", 1, 10, default=4), "default 4"),
        (lambda hp: hp.Float("n", 1, 10), "declared twice"),
    ],
)
def test_the_same_name_with_another_range_is_refused(again, what):
    hp = ours()
    hp.Int("n", 1, 10)
    with pytest.raises(SpaceError, match=what):
        again(hp)


@pytest.mark.parametrize("value", [2.0, True, "2", 11, None])
def test_a_value_that_does_not_fit_is_refused_with_the_range(value):
    with pytest.raises(SpaceError, match=r"given for hyperparameter 'n'. Expected one of 1…10"):
        ours(lambda hyperparameter: value).Int("n", 1, 10)


def test_one_name_active_under_two_scopes_must_fit_both_ranges():
    """KerasTuner hands the value of the first to the second, whatever its range."""
    hp = ours()
    hp.Boolean("deep", default=True)
    hp.Int("units", 1, 5)
    with hp.conditional_scope("deep", [True]), pytest.raises(SpaceError, match=r"'units'.*10…20"):
        hp.Int("units", 10, 20)


def test_the_same_name_under_exclusive_scopes_has_its_own_range_in_each():
    for model, expected in (("cnn", 1), ("rnn", 10)):
        hp = ours(
            lambda hyperparameter, model=model: model if hyperparameter.name == "model" else hyperparameter.default
        )
        hp.Choice("model", ["cnn", "rnn"])
        with hp.conditional_scope("model", ["cnn"]):
            first = hp.Int("units", 1, 5)
        with hp.conditional_scope("model", ["rnn"]):
            second = hp.Int("units", 10, 20)
        assert {first, second} == {expected, None}
        assert hp.values["units"] == expected
        assert list(hp.declared) == ["model", "units", "units@model=rnn"]


# Fixed values


def test_fixed_values_of_the_type_json_gave_are_taken():
    from truetune.hyperparameters import fixed

    hp = ours(fixed({"n": 16.0, "x": 1}))
    n, x = hp.Int("n", 1, 32), hp.Float("x", 0, 2)
    assert (n, type(n)) == (16, int)
    assert (x, type(x)) == (1.0, float)


def test_a_missing_fixed_value_is_refused_or_defaulted():
    from truetune.hyperparameters import fixed

    with pytest.raises(SpaceError, match=r"No value was given for hyperparameter 'm'.*Given: n. Add it."):
        ours(fixed({"n": 1})).Int("m", 1, 5)
    assert ours(fixed({}, missing="default")).Int("m", 1, 5, default=4) == 4
    assert ours(fixed({})).Fixed("f", 3) == 3


def test_integers_that_are_none_stay_refused():
    from truetune.hyperparameters import as_declared

    assert as_declared(Hyperparameter("Int", "n", 1, low=1, high=5, step=1), 2.5) == 2.5
    assert as_declared(Hyperparameter("Boolean", "b", False), True) is True
