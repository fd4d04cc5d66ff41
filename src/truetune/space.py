"""The search space as data: what a builder asked for, without KerasTuner or Optuna.

`hyperparameters.py` turns `hp.Int(...)` calls into these values, searchers answer them, the store keeps them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from truetune.errors import SpaceError

Value = bool | int | float | str
Kind = Literal["Int", "Float", "Choice", "Boolean", "Fixed"]
Sampling = Literal["linear", "log", "reverse_log"]


@dataclass(frozen=True)
class Condition:
    """Active only while the hyperparameter `parent` has one of `values`."""

    parent: str
    values: tuple[Value, ...]

    def holds(self, values: Mapping[str, Value]) -> bool:
        return self.parent in values and values[self.parent] in self.values


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter as the builder declared it; `low`, `high`, `step` are None where they have no meaning."""

    kind: Kind
    name: str
    default: Value
    low: float | None = None
    high: float | None = None
    step: float | None = None
    sampling: Sampling = "linear"
    choices: tuple[Value, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def check(self) -> None:
        """Refuse what the libraries let through.

        Raises:
            SpaceError: the default lies outside the range or between its steps, or a bound is not finite.
        """
        for bound in (self.low, self.high):
            if bound is not None and not math.isfinite(bound):
                raise SpaceError(f"{self} has the bound {bound}. Expected finite numbers; give both bounds a number.")
        if self.contains(self.default):
            return
        instead = self.choices[0] if self.choices else self.nearest(self.default)
        raise SpaceError(
            f"The default of hyperparameter '{self.name}' is {self.default!r}, which is not in {self.describe()}. "
            f"Pass a default that is (for example {instead!r}), or change the range."
        )

    def contains(self, value: object) -> bool:
        """Whether `value` has the right type and is one this hyperparameter can take."""
        if self.kind == "Boolean":
            return isinstance(value, bool)
        if self.kind in ("Choice", "Fixed"):
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int if self.kind == "Int" else (int, float)):
            return False
        return self._in_bounds(value) and (self.step is None or self._on_grid(value))

    def grid(self) -> tuple[Value, ...] | None:
        """Every value in ascending or declared order; None where the range is continuous."""
        if self.kind == "Boolean":
            return (False, True)
        if self.kind in ("Choice", "Fixed"):
            return self.choices
        size = self.size()
        return None if size is None else tuple(sorted(self._grid_value(i) for i in range(size)))

    def size(self) -> int | None:
        """How many values `grid` has, without making them; None where the range is continuous."""
        if self.kind == "Boolean":
            return 2
        if self.kind in ("Choice", "Fixed"):
            return len(self.choices)
        if self._grid_step() is None:
            return None
        low, high = self._bounds()
        return math.floor(self._grid_index(low if self.sampling == "reverse_log" else high)) + 1

    def nearest(self, value: Value) -> Value:
        """The allowed value closest to `value`; the default where no distance makes sense."""
        if self.contains(value):
            return value
        if isinstance(value, (bool, str)) or math.isnan(value):
            return self.default
        if self.kind in ("Choice", "Boolean", "Fixed"):
            numbers = [v for v in self.choices if isinstance(v, (int, float)) and not isinstance(v, bool)]
            return min(numbers, key=lambda v: abs(v - value)) if numbers else self.default
        low, high = self._bounds()
        clipped = min(max(value, low), high)
        if self._grid_step() is not None:
            return min(self._grid_near(clipped), key=lambda v: abs(v - clipped))
        return round(clipped) if self.kind == "Int" else float(clipped)

    def describe(self) -> str:
        """The range in words: `32…256 step 32`."""
        if self.kind == "Boolean":
            return "{False, True}"
        if self.kind in ("Choice", "Fixed"):
            return "{" + ", ".join(repr(c) for c in self.choices) + "}"
        low, high = self._bounds()
        step = "" if self.step is None or (self.kind == "Int" and self.step == 1) else f" step {self.step:g}"
        sampling = "" if self.sampling == "linear" else f" ({self.sampling})"
        return f"{low:g}…{high:g}{step}{sampling}"

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}' {self.describe()}"

    def to_config(self) -> dict[str, Any]:
        """JSON-ready; `from_config` is its inverse."""
        config: dict[str, Any] = {"kind": self.kind, "name": self.name, "default": self.default}
        if self.kind in ("Int", "Float"):
            config |= {"low": self.low, "high": self.high, "step": self.step, "sampling": self.sampling}
        if self.choices:
            config["choices"] = list(self.choices)
        if self.conditions:
            config["conditions"] = [[c.parent, list(c.values)] for c in self.conditions]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Hyperparameter:
        fields = dict(config)
        fields["choices"] = tuple(fields.get("choices", ()))
        fields["conditions"] = tuple(Condition(p, tuple(v)) for p, v in fields.get("conditions", ()))
        return cls(**fields)

    def _bounds(self) -> tuple[float, float]:
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    def _in_bounds(self, value: Value) -> bool:
        if self.kind in ("Choice", "Fixed", "Boolean"):
            return self.contains(value)
        if isinstance(value, (str, bool)):
            return False
        low, high = self._bounds()
        if self.kind == "Int":
            return low <= value <= high
        # Arithmetic on the way from a searcher's own scale may cost the last digits.
        return low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high)

    def _grid_step(self) -> float | None:
        """Additive for a linear range, a factor for the others; None where the range is continuous."""
        if self.step is None and self.kind == "Int" and self.sampling == "linear":
            return 1
        return self.step

    def _grid_index(self, value: float) -> float:
        """Where `value` (inside the range) lies between the grid's points: 2.5 is halfway from the third to the next.

        A hair is added, so that rounding does not push a point below its own index.
        """
        low, high = self._bounds()
        step = self._grid_step()
        assert step is not None
        if self.sampling == "linear":
            return (value - low) / step + 1e-8
        return math.log((value if self.sampling == "log" else high + low - value) / low, step) + 1e-8

    def _grid_value(self, index: int) -> int | float:
        low, high = self._bounds()
        step = self._grid_step()
        assert step is not None
        if self.sampling == "linear":
            value = low + index * step
        elif self.sampling == "log":
            value = low * step**index
        else:
            value = high + low - low * step**index
        # Without the noise of binary fractions: 0.3, where three steps of 0.1 are 0.30000000000000004.
        return round(value) if self.kind == "Int" else float(f"{value:.12g}")

    def _grid_near(self, value: float) -> list[int | float]:
        """The grid's points around `value`, which lies inside the range; few, however long the grid is."""
        size = self.size()
        assert size is not None
        index = math.floor(self._grid_index(value))
        return [self._grid_value(i) for i in range(max(0, index - 1), min(size, index + 3))]

    def _on_grid(self, value: float) -> bool:
        return any(math.isclose(value, near, rel_tol=1e-9, abs_tol=1e-12) for near in self._grid_near(value))


@dataclass
class Space:
    """The hyperparameters seen so far, in the order in which they were first asked for.

    A *key* distinguishes them in searchers and in the record. It is the name; where one name stands under two
    different conditions, the later one gets `name@parent=value`.
    """

    entries: dict[str, Hyperparameter] = field(default_factory=dict)

    def add(self, hyperparameter: Hyperparameter) -> str:
        """Remember `hyperparameter` (nothing happens if it is known) and return its key.

        Raises:
            SpaceError: the same name under the same conditions has another range already.
        """
        for key, known in self.entries.items():
            if known.name != hyperparameter.name:
                continue
            if known == hyperparameter:
                return key
            if known.conditions == hyperparameter.conditions:
                raise SpaceError(
                    f"Hyperparameter '{hyperparameter.name}' is declared twice: first as {known.describe()} with "
                    f"default {known.default!r}, then as {hyperparameter.describe()} with default "
                    f"{hyperparameter.default!r}. Use one range, or two names."
                )
        hyperparameter.check()
        key = self._new_key(hyperparameter)
        self.entries[key] = hyperparameter
        return key

    def _new_key(self, hyperparameter: Hyperparameter) -> str:
        if hyperparameter.name not in self.entries:
            return hyperparameter.name
        scope = ",".join(f"{c.parent}={'|'.join(map(str, c.values))}" for c in hyperparameter.conditions)
        return f"{hyperparameter.name}@{scope}"

    def is_active(self, key: str, values: Mapping[str, Value]) -> bool:
        """Whether the declared conditions of `key` hold under `values` (by key)."""
        named = self.names(values)
        return all(condition.holds(named) for condition in self.entries[key].conditions)

    def names(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """`values` by key → by name, as the builder and `best_hyperparameters.json` know them."""
        return {(self.entries[key].name if key in self.entries else key): value for key, value in values.items()}

    def tunable(self) -> dict[str, Hyperparameter]:
        """Without the `Fixed` ones."""
        return {key: hp for key, hp in self.entries.items() if hp.kind != "Fixed"}

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def __getitem__(self, key: str) -> Hyperparameter:
        return self.entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def copy(self) -> Space:
        return Space(dict(self.entries))

    def to_config(self) -> list[dict[str, Any]]:
        return [{"key": key, **hp.to_config()} for key, hp in self.entries.items()]

    @classmethod
    def from_config(cls, config: Sequence[Mapping[str, Any]]) -> Space:
        entries = {}
        for entry in config:
            fields = {name: value for name, value in entry.items() if name != "key"}
            entries[str(entry["key"])] = Hyperparameter.from_config(fields)
        return cls(entries)

    def fingerprint(self) -> str:
        """Equal for equal spaces, whatever the order of their hyperparameters."""
        ordered = sorted(self.to_config(), key=lambda entry: str(entry["key"]))
        return hashlib.sha256(json.dumps(ordered, sort_keys=True).encode()).hexdigest()[:16]

    def differences(self, other: Space) -> list[str]:
        """What changed from `self` to `other`, a line each; empty where nothing did."""
        lines = []
        for key in sorted({*self.entries, *other.entries}):
            before, after = self.entries.get(key), other.entries.get(key)
            if before is None and after is not None:
                lines.append(f"{key}: new, {after.describe()}")
            elif after is None and before is not None:
                lines.append(f"{key}: gone, was {before.describe()}")
            elif before != after and before is not None and after is not None:
                lines.append(
                    f"{key}: was {before.describe()} (default {before.default!r}), "
                    f"now {after.describe()} (default {after.default!r})"
                )
        return lines
