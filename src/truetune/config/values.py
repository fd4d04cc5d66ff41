"""Hyperparameters as a config file holds them, by a mapping."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from truetune.config.base import Assignment, ConfigFile
from truetune.config.languages import parse_config, read_text
from truetune.config.mapping import ConfigMapping
from truetune.errors import ConfigError
from truetune.space import Value

_MOST_LISTED = 30


def values_in(file: ConfigFile, mapping: ConfigMapping, scope: str | None = None) -> dict[str, Value]:
    """Hyperparameters by name: those of the mapping, and all other keys that stand in one place.

    Args:
        file: the config.
        mapping: which key holds which hyperparameter.
        scope: of the keys; None takes the mapping's.

    Raises:
        ConfigError: a key of the mapping is there but has not exactly one value, one that a person gave is not there,
            or a list is shorter than its count.
    """
    scope = scope if scope is not None else mapping.scope
    check_given(file, mapping, scope)
    mapped = _mapped_in(file, mapping, scope)
    names = {name for name, key in mapping.keys.items() if key in mapped}
    others = file.plain(scope) if file.has(scope) or not mapped else {}
    taken = {found.path for found in mapped.values()}
    free = {key: a.value for key, a in others.items() if a.path not in taken and key.lower() not in names}
    return mapping.from_config({**free, **{key: found.value for key, found in mapped.items()}})


def check_given(file: ConfigFile, mapping: ConfigMapping, scope: str | None) -> None:
    """Raises ConfigError: a key that a person gave is not in the file."""
    for name in sorted(mapping.given):
        if not file.find(mapping.keys[name], scope):
            paths = [assignment.path for assignment in file.assignments if not assignment.is_element]
            listed = ", ".join(paths[:_MOST_LISTED]) + (", …" if len(paths) > _MOST_LISTED else "")
            raise ConfigError(
                f"{file.text.name} has no key {mapping.keys[name]} for {name}. It has: {listed or 'none'}. "
                "Map one of these, or add the key."
            )


def unreadable_in(file: ConfigFile, mapping: ConfigMapping) -> dict[str, str]:
    """Hyperparameters whose key is there but has not exactly one value, and why; not those that a person gave."""
    problems: dict[str, str] = {}
    for name, key in mapping.keys.items():
        if name not in mapping.given and file.has(mapping.scope):
            try:
                file.require(key, mapping.scope)
            except ConfigError as error:
                problems[name] = str(error)
    return problems


def without(mapping: ConfigMapping, names: Collection[str]) -> ConfigMapping:
    """The mapping without keys for these names."""
    return replace(mapping, keys={name: key for name, key in mapping.keys.items() if name not in names})


def doubts_in(file: ConfigFile, mapping: ConfigMapping | None) -> list[str]:
    """What readers of the file would read differently, each with a remedy: of the mapping's keys, or of all values."""
    if mapping is None or not mapping.keys:
        found = [a for a in file.assignments if not a.is_element]
    else:
        found = list(_mapped_in(file, without(mapping, unreadable_in(file, mapping)), mapping.scope).values())
    return [f"{file.doubt(a)}. {a.clear}." for a in found if a.doubt and not a.problem]


def doubts(path: str | Path, mapping: ConfigMapping | None) -> list[str]:
    """`doubts_in` a file. Raises ConfigError: it cannot be read."""
    return doubts_in(parse_config(read_text(path)), mapping)


def _mapped_in(file: ConfigFile, mapping: ConfigMapping, scope: str | None) -> dict[str, Assignment]:
    """What a file has for the keys of a mapping, by key. Raises ConfigError: see `values_in`."""
    found = {key: file.require(key, scope) for key in mapping.keys.values()}
    return {key: assignment for key, assignment in found.items() if assignment is not None}
