"""`hp`: a `keras_tuner.HyperParameters` that is answered by a searcher, or by fixed values.

KerasTuner's five constructors (`Int`, `Float`, `Choice`, `Boolean`, `Fixed`) funnel through `_retrieve` and
`_register`. Both are overridden here and nowhere else; name scopes and conditional scopes are inherited. That is
private API of KerasTuner: `tests/test_hyperparameters.py` pins it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner as kt

from truetune.errors import SpaceError
from truetune.space import Condition, Hyperparameter, Space, Value

Answer = Callable[[Hyperparameter], Value]


class HyperParameters(kt.HyperParameters):  # type: ignore[misc]
    """A builder's `hp`, with every value supplied by `answer`.

    Args:
        answer: called once for each active hyperparameter, the first time the builder asks for it.

    Raises (from any `hp.` call):
        SpaceError: a default outside the range, a redefinition with another range, a value that does not fit.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self.declared = Space()

    def _retrieve(self, hp: Any) -> Any:
        self.declared.add(from_keras_tuner(hp))
        return super()._retrieve(hp)

    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        if self.is_active(hyperparameter):
            self._validate_name(hyperparameter.name)
            self.values[hyperparameter.name] = self._value_of(from_keras_tuner(hyperparameter))
        return super()._register(hyperparameter, overwrite=False)

    def _value_of(self, hyperparameter: Hyperparameter) -> Value:
        """The value that an active scope gave to this name already, or the answer."""
        name = hyperparameter.name
        value = self.values[name] if name in self.values else self._answer(hyperparameter)
        if not hyperparameter.contains(value):
            raise SpaceError(
                f"The value {value!r} was given for hyperparameter '{name}'. "
                f"Expected one of {hyperparameter.describe()}; change the value or the range."
            )
        return value

    def Choice(self, name: str, values: Any, ordered: Any = None, default: Any = None, **parent: Any) -> Any:
        if default is not None and default not in values:
            raise SpaceError(
                f"The default of hyperparameter '{name}' is {default!r}. Expected one of {list(values)!r}."
            )
        return super().Choice(name, values, ordered=ordered, default=default, **parent)

    def copy(self) -> HyperParameters:
        """Values and space of now, answered by the same source from then on."""
        twin = type(self)(self._answer)
        for entry in kt.HyperParameters.copy(self).space:
            twin._hps[entry.name].append(entry)
            twin._space.append(entry)
        twin.values = dict(self.values)
        twin.declared = self.declared.copy()
        return twin

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """KerasTuner's own container: a config carries values, not a source of answers."""
        return kt.HyperParameters.from_config(config)


def defaults(hyperparameter: Hyperparameter) -> Value:
    """An `Answer`: what the builder would use untuned."""
    return hyperparameter.default


def fixed(values: Mapping[str, Value], missing: str = "refuse") -> Answer:
    """An `Answer` from values by name, for retraining.

    Args:
        values: by hyperparameter name.
        missing: what to do for a name that is not there: "refuse", or "default".
    """

    def answer(hyperparameter: Hyperparameter) -> Value:
        if hyperparameter.name in values:
            return as_declared(hyperparameter, values[hyperparameter.name])
        if missing == "default" or hyperparameter.kind == "Fixed":
            return hyperparameter.default
        raise SpaceError(
            f"No value was given for hyperparameter '{hyperparameter.name}' ({hyperparameter.describe()}). "
            f"Given: {', '.join(sorted(values)) or 'none'}. Add it."
        )

    return answer


def as_declared(hyperparameter: Hyperparameter, value: Value) -> Value:
    """`value` with the declared type where no information is lost: 1 → 1.0 for a Float, 16.0 → 16 for an Int."""
    if isinstance(value, (bool, str)):
        return value
    if hyperparameter.kind == "Float":
        return float(value)
    if hyperparameter.kind == "Int" and float(value).is_integer():
        return int(value)
    return value


def from_keras_tuner(hp: Any) -> Hyperparameter:
    """KerasTuner's description of one hyperparameter → ours."""
    conditions = tuple(Condition(c.name, tuple(c.values)) for c in hp.conditions)
    kind: Any = type(hp).__name__
    if kind in ("Int", "Float"):
        default = as_declared(Hyperparameter(kind, hp.name, hp.default), hp.default)
        return Hyperparameter(
            kind,
            hp.name,
            default,
            low=hp.min_value,
            high=hp.max_value,
            step=hp.step,
            sampling=hp.sampling,
            conditions=conditions,
        )
    choices = tuple(hp.values) if kind != "Boolean" else ()
    return Hyperparameter(kind, hp.name, hp.default, choices=choices, conditions=conditions)


def to_keras_tuner(hyperparameter: Hyperparameter) -> Any:
    """Ours → KerasTuner's; the inverse of `from_keras_tuner`."""
    from keras_tuner.src.engine import conditions as kt_conditions
    from keras_tuner.src.engine import hyperparameters as kt_types

    common: dict[str, Any] = {
        "name": hyperparameter.name,
        "conditions": [kt_conditions.Parent(c.parent, list(c.values)) for c in hyperparameter.conditions],
    }
    if hyperparameter.kind == "Fixed":
        return kt_types.Fixed(value=hyperparameter.choices[0], **common)
    common["default"] = hyperparameter.default
    if hyperparameter.kind == "Boolean":
        return kt_types.Boolean(**common)
    if hyperparameter.kind == "Choice":
        return kt_types.Choice(values=list(hyperparameter.choices), **common)
    kind = kt_types.Int if hyperparameter.kind == "Int" else kt_types.Float
    return kind(
        min_value=hyperparameter.low,
        max_value=hyperparameter.high,
        step=hyperparameter.step,
        sampling=hyperparameter.sampling,
        **common,
    )
