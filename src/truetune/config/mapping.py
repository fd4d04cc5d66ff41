"""How hyperparameters map to keys of `config.py`, in both directions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from truetune.errors import ConfigError
from truetune.space import Value

ConfigValue = Value | list[Value]


@dataclass(frozen=True)
class ConfigMapping:
    """Which key of `config.py` holds which hyperparameter.

    Attributes:
        scope: the class (or dict, or dataclass) in `config.py` that holds the keys, `<module>` for the top level;
            None looks everywhere and accepts a key that stands in one place only.
        keys: hyperparameter name → key. A name that ends in `_{i}` stands for a numbered series
            (`cnn_filters_{i}` → `CNN_FILTERS`): its key holds a list, element i for number i.
            A hyperparameter that is not listed maps to its upper-case name.
        counts: series pattern → the hyperparameter that says how many of the series are used
            (`cnn_filters_{i}` → `n_cnn_blocks`). Lists are read up to that number.
    """

    scope: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def for_names(cls, names: Iterable[str], scope: str | None = None) -> ConfigMapping:
        """Upper-case keys for these hyperparameters, with a way back to names that are not all lower-case."""
        return cls(scope, {name: _default_key(name) for name in names})

    def key_of(self, name: str) -> str:
        """The key of a hyperparameter that is no part of a series."""
        return self.keys.get(name, _default_key(name))

    def to_config(self, values: Mapping[str, Value]) -> dict[str, ConfigValue]:
        """Hyperparameters by name → config keys with their values; a series becomes one list.

        Raises:
            ConfigError: a series has a gap, or two hyperparameters would share a key.
        """
        owners: dict[str, str] = {}
        config: dict[str, ConfigValue] = {}
        series: dict[str, dict[int, Value]] = {}
        for name, value in values.items():
            pattern, index = self._pattern(name)
            key = self.key_of(pattern)
            if owners.setdefault(key, pattern) != pattern:
                raise ConfigError(
                    f"The hyperparameters {owners[key]} and {pattern} both map to {key}. Map them to different keys."
                )
            if index is None:
                config[key] = value
            else:
                config[key] = []  # holds the place in the order of the hyperparameters
                series.setdefault(pattern, {})[index] = value
        for pattern, elements in series.items():
            config[self.key_of(pattern)] = _in_order(pattern, elements)
        return config

    def from_config(self, config: Mapping[str, Any]) -> dict[str, Value]:
        """Config keys with their values → hyperparameters by name; what cannot be a hyperparameter is left out.

        Raises:
            ConfigError: a list is shorter than its count says.
        """
        values: dict[str, Value] = {}
        lists: list[tuple[str, str, list[Value]]] = []
        for key, value in config.items():
            name = self._name_of(key, config)
            if name.endswith("_{i}"):
                lists.append((key, name, _as_list(key, value)))
            elif isinstance(value, (bool, int, float, str)):
                values[name] = value
        for key, pattern, elements in lists:
            values.update(self._elements(key, pattern, elements, values))
        return values

    def _name_of(self, key: str, config: Mapping[str, Any]) -> str:
        """The hyperparameter of a key: by exact spelling, else by one that `loose_key` takes for the same."""
        exact = {known: name for name, known in self.keys.items()}
        if key in exact:
            return exact[key]
        loose = {loose_key(known): name for name, known in self.keys.items() if known not in config}
        return loose.get(loose_key(key), key.lower())

    def _elements(self, key: str, pattern: str, elements: list[Value], values: Mapping[str, Value]) -> dict[str, Value]:
        counter = self.counts.get(pattern)
        count = values.get(counter, len(elements)) if counter is not None else len(elements)
        if not isinstance(count, int):
            raise ConfigError(f"{counter} is {count!r}. Expected how many elements of {key} are used, an integer.")
        if len(elements) < count:
            raise ConfigError(
                f"{key} has {len(elements)} elements where {counter} is {count}. Add the missing elements."
            )
        return {pattern.replace("{i}", str(i)): elements[i] for i in range(count)}

    def _pattern(self, name: str) -> tuple[str, int | None]:
        """The series and number of a name; the name itself and None where it belongs to no declared series."""
        match = re.fullmatch(r"(.+_)(0|[1-9]\d*)", name)
        if name not in self.keys and match and f"{match[1]}{{i}}" in self.keys:
            return f"{match[1]}{{i}}", int(match[2])
        return name, None


def loose_key(key: str) -> str:
    """Equal for keys that differ only in case, or in the separator: `block/units`, `BLOCK_UNITS`."""
    return re.sub(r"\W", "_", key).casefold()


def _default_key(name: str) -> str:
    """A Python name: `block/units` → `BLOCK_UNITS`."""
    return re.sub(r"\W", "_", name).upper()


def _in_order(pattern: str, elements: Mapping[int, Value]) -> list[Value]:
    if sorted(elements) != list(range(len(elements))):
        raise ConfigError(f"The series {pattern} has the numbers {sorted(elements)}. Expected 0, 1, 2 … without a gap.")
    return [elements[i] for i in range(len(elements))]


def _as_list(key: str, value: Any) -> list[Value]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{key} is {value!r}. Expected a list with one element per layer; write [{value!r}].")
    return list(value)
