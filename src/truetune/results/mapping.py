"""How hyperparameters map to keys of `config.py`, in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from truetune.errors import ConfigError
from truetune.space import Value

ConfigValue = Value | list[Value]


@dataclass(frozen=True)
class ConfigMapping:
    """Which key of `config.py` holds which hyperparameter.

    Attributes:
        scope: the class (or dict, or dataclass) in `config.py` that holds the keys; None for module level.
        keys: hyperparameter name → key. A name that ends in `_{i}` stands for a numbered series
            (`cnn_filters_{i}` → `CNN_FILTERS`): its key holds a list, element i for number i.
            A hyperparameter that is not listed maps to its upper-case name.
        counts: series pattern → the hyperparameter that says how many of the series are used
            (`cnn_filters_{i}` → `n_cnn_blocks`). Lists are read up to that number.
    """

    scope: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, str] = field(default_factory=dict)

    def to_config(self, values: Mapping[str, Value]) -> dict[str, ConfigValue]:
        """Hyperparameters by name → config keys with their values; a series becomes one list."""
        config: dict[str, ConfigValue] = {}
        series: dict[str, dict[int, Value]] = {}
        for name, value in values.items():
            pattern, index = self._pattern(name)
            if index is None:
                config[self.keys.get(name, name.upper())] = value
            else:
                series.setdefault(pattern, {})[index] = value
        for pattern, elements in series.items():
            if sorted(elements) != list(range(len(elements))):
                raise ConfigError(
                    f"The series {pattern} has the numbers {sorted(elements)}. Expected 0, 1, 2 … without a gap."
                )
            config[self.keys[pattern]] = [elements[i] for i in range(len(elements))]
        return config

    def from_config(self, config: Mapping[str, Any]) -> dict[str, Value]:
        """Config keys with their values → hyperparameters by name; keys that are no hyperparameter are left out.

        Raises:
            ConfigError: a list is shorter than its count says.
        """
        known = {key: name for name, key in self.keys.items()}
        values: dict[str, Value] = {}
        lists: list[tuple[str, str, list[Value]]] = []
        for key, value in config.items():
            name = known.get(key, key.lower())
            if name.endswith("_{i}"):
                lists.append((key, name, list(value)))
            elif isinstance(value, (bool, int, float, str)):
                values[name] = value
        for key, pattern, elements in lists:
            values.update(self._elements(key, pattern, elements, values))
        return values

    def _elements(self, key: str, pattern: str, elements: list[Value], values: Mapping[str, Value]) -> dict[str, Value]:
        counter = self.counts.get(pattern)
        count = int(values[counter]) if counter is not None and counter in values else len(elements)
        if len(elements) < count:
            raise ConfigError(
                f"{key} has {len(elements)} elements where {counter} is {count}. Add the missing elements."
            )
        return {pattern.replace("{i}", str(i)): elements[i] for i in range(count)}

    def _pattern(self, name: str) -> tuple[str, int | None]:
        match = re.fullmatch(r"(.+_)(\d+)", name)
        if match and f"{match[1]}{{i}}" in self.keys:
            return f"{match[1]}{{i}}", int(match[2])
        return name, None
