"""How hyperparameters map to keys of a config file, in both directions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from truetune.errors import ConfigError, InputError
from truetune.space import Value

ConfigValue = Value | list[Value]


@dataclass(frozen=True)
class ConfigMapping:
    """Which key of a config file holds which hyperparameter.

    Attributes:
        scope: the class (or dict, or dataclass) in `config.py`, or the path of the mapping in a YAML file, that holds
            the keys; `<module>` or `<top>` for the top level; None looks everywhere and accepts a key that stands in
            one place only.
        keys: hyperparameter name → key; a key with dots is a path (`training.lr`). A name that ends in `_{i}` stands
            for a numbered series (`cnn_filters_{i}` → `CNN_FILTERS`): its key holds a list, element i for number i.
            A hyperparameter that is not listed maps to its upper-case name; case does not matter in the file.
        counts: series pattern → the hyperparameter that counts how many of the series are used
            (`cnn_filters_{i}` → `n_cnn_blocks`). Lists are read up to that number.
        given: names whose keys a person has typed: a file without such a key is refused.
    """

    scope: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    @classmethod
    def for_names(cls, names: Iterable[str], scope: str | None = None) -> ConfigMapping:
        """Upper-case keys for these hyperparameters, with a way back to names that are not all lower-case."""
        return cls(scope, {name: _default_key(name) for name in names})

    @property
    def has_typed_keys_only(self) -> bool:
        """Whether it contains nothing but what a person typed, if anything."""
        return set(self.keys) == self.given

    def with_names(self, names: Iterable[str]) -> ConfigMapping:
        """Upper-case keys for names that have none yet and are part of no series."""
        added = {name: _default_key(name) for name in names if self.pattern_of(name) not in self.keys}
        return replace(self, keys={**added, **self.keys})

    def with_keys(self, keys: Mapping[str, str]) -> ConfigMapping:
        """Other keys for some hyperparameters, which must then be in the file.

        Raises:
            ConfigError: two hyperparameters would share a key.
        """
        owners: dict[str, str] = {}
        for name, key in {**self.keys, **keys}.items():
            if owners.setdefault(key, name) != name:
                raise ConfigError(_both_map(owners[key], name, key))
        return replace(self, keys={**self.keys, **keys}, given=self.given | frozenset(keys))

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
                raise ConfigError(_both_map(owners[key], pattern, key))
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
            ConfigError: a list is shorter than its count.
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

    def pattern_of(self, name: str) -> str:
        """The declared series that a name belongs to, else the name itself."""
        return self._pattern(name)[0]

    def _pattern(self, name: str) -> tuple[str, int | None]:
        """The series and number of a name; the name itself and None where it belongs to no declared series."""
        match = re.fullmatch(r"(.+_)(0|[1-9]\d*)", name)
        if name not in self.keys and match and f"{match[1]}{{i}}" in self.keys:
            return f"{match[1]}{{i}}", int(match[2])
        return name, None


def parse_pairs(texts: Iterable[str]) -> dict[str, str]:
    """`learning_rate=training.lr` → the key of each hyperparameter.

    Raises:
        InputError: something else was given, or two keys for one hyperparameter.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, _, key = (part.strip() for part in text.partition("="))
        if not name or not key:
            raise InputError(
                f"--map {text!r} was given. Expected NAME=KEY, a hyperparameter and its key in the config, such as "
                "--map learning_rate=training.lr."
            )
        if pairs.setdefault(name, key) != key:
            raise InputError(f"--map gives {name} two keys, {pairs[name]} and {key}. Expected one; remove the other.")
    return pairs


def loose_key(key: str) -> str:
    """Equal for keys that differ only in case, or in the separator: `block/units`, `BLOCK_UNITS`."""
    return re.sub(r"\W", "_", key).casefold()


def _both_map(one: str, other: str, key: str) -> str:
    return f"The hyperparameters {one} and {other} both map to {key}. Map them to different keys."


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
