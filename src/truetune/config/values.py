"""Hyperparameters as a config file holds them, by a mapping."""

from __future__ import annotations

from truetune.config.base import Assignment, ConfigFile
from truetune.config.mapping import ConfigMapping
from truetune.space import Value


def values_in(file: ConfigFile, mapping: ConfigMapping, scope: str | None = None) -> dict[str, Value]:
    """Hyperparameters by name: those of the mapping, and all keys that stand in one place.

    Args:
        file: the config.
        mapping: which key holds which hyperparameter.
        scope: of the keys; None takes the mapping's.

    Raises:
        ConfigError: a key of the mapping is there but has not exactly one value, or a list is shorter than its count
            says.
    """
    scope = scope if scope is not None else mapping.scope
    mapped = mapped_in(file, mapping, scope)
    names = {name for name, key in mapping.keys.items() if key in mapped}
    others = file.literals(scope) if file.has(scope) or not mapped else {}
    unmapped = {key: value for key, value in others.items() if key.lower() not in names}
    return mapping.from_config({**unmapped, **{key: found.value for key, found in mapped.items()}})


def mapped_in(file: ConfigFile, mapping: ConfigMapping, scope: str | None = None) -> dict[str, Assignment]:
    """What a file has for the keys of a mapping, by key. Raises ConfigError: see `values_in`."""
    found = {key: file.require(key, scope) for key in mapping.keys.values()}
    return {key: assignment for key, assignment in found.items() if assignment is not None}
