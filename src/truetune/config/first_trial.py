"""Trial 0 is today's configuration."""

from __future__ import annotations

from truetune.config.languages import read_config
from truetune.config.mapping import ConfigMapping
from truetune.space import Space, Value
from truetune.study.events import Observer
from truetune.study.options import SearchOptions
from truetune.task import Task


def todays_values(task: Task, options: SearchOptions) -> dict[str, Value]:
    """Today's configuration by name; empty where no config was given.

    Raises:
        ConfigError: it cannot be read.
    """
    if options.config is None:
        return {}
    mapping = task.mapping or ConfigMapping()
    return mapping.from_config(read_config(options.config, mapping.scope))


def trial_zero_values(space: Space, task: Task, options: SearchOptions, observer: Observer) -> dict[str, Value]:
    """Today's configuration by key, moved into the range where it lies outside (and said)."""
    today = todays_values(task, options)
    first: dict[str, Value] = {}
    for key, hyperparameter in space.entries.items():
        if hyperparameter.name not in today:
            continue
        given = today[hyperparameter.name]
        first[key] = hyperparameter.nearest(given)
        if first[key] != given:
            observer.note(
                f"Trial 0 uses {hyperparameter.name} = {first[key]!r}: today's {given!r} in {options.config} is "
                f"outside {hyperparameter.describe()}."
            )
    return first
