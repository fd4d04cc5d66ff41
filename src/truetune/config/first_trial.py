"""Trial 0 is today's configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from truetune.config.languages import parse_config, read_text
from truetune.config.mapping import ConfigMapping
from truetune.config.values import doubts_in, unreadable_in, values_in, without
from truetune.space import Hyperparameter, Space, Value
from truetune.study.events import Observer
from truetune.study.options import SearchOptions
from truetune.task import Task


def todays_values(task: Task, options: SearchOptions) -> dict[str, Value]:
    """Today's configuration by name; empty where no config was given.

    A mapped key that has not exactly one plain value is left out.

    Raises:
        ConfigError: it cannot be read, or lacks a key that a person mapped.
    """
    if options.config is None:
        return {}
    mapping = task.mapping or ConfigMapping()
    file = parse_config(read_text(options.config))
    return values_in(file, without(mapping, unreadable_in(file, mapping)))


def trial_zero_values(space: Space, task: Task, options: SearchOptions, observer: Observer) -> dict[str, Value]:
    """Today's configuration by key, moved into the range where it lies outside (which is noted)."""
    if options.config is None:
        return {}
    today = todays_values(task, options)
    first: dict[str, Value] = {}
    for note in _notes(options.config, task.mapping, {h.name for h in space.entries.values()}):
        observer.note(note)
    for key, hyperparameter in space.entries.items():
        if hyperparameter.name not in today:
            continue
        given = today[hyperparameter.name]
        first[key] = hyperparameter.nearest(given)
        if first[key] != given:
            observer.note(
                f"Trial 0 uses {hyperparameter.name} = {first[key]!r}: today's {given!r} in {options.config} is "
                f"{_why_not(hyperparameter, given)}."
            )
    return first


def _why_not(hyperparameter: Hyperparameter, given: Value) -> str:
    if isinstance(given, str) and hyperparameter.kind in ("Int", "Float"):
        return "text; write a number, without quotes"
    return f"outside {hyperparameter.describe()}"


def _notes(config: Path, mapping: ConfigMapping | None, names: set[str]) -> Iterable[str]:
    """What was left out of trial 0, or could be read in another way."""
    file = parse_config(read_text(config))
    yield from doubts_in(file, mapping)
    if mapping is None:
        return
    for name, why in unreadable_in(file, mapping).items():
        if name in names:
            yield f"Trial 0 takes {name} from the space: {why}"
    for name in sorted(mapping.given - names):
        if not name.endswith("_{i}"):
            yield f"--map {name}={mapping.keys[name]}: the space has no {name} so far. It has: {_listed(names)}."


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)[:30])
