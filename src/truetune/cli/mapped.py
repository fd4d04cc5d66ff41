"""`--map`: keys of the config that a person types, over the mapping of the task."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from truetune.cli.options import CONFIG

if TYPE_CHECKING:
    from truetune.config.mapping import ConfigMapping
    from truetune.task import Task
    from truetune.tasks.choice import TaskChoice


def make_task(choice: TaskChoice, directory: Path, pairs: Sequence[str]) -> Task:
    """The chosen task, with the keys that were typed for some of its hyperparameters.

    Raises:
        InputError: a pair is none; before any data are loaded.
    """
    from truetune.config.mapping import ConfigMapping, parse_pairs

    keys = parse_pairs(pairs)
    task = choice.make(directory / "cache")
    return replace(task, mapping=(task.mapping or ConfigMapping()).with_keys(keys)) if keys else task


def winners_mapping(mapping: ConfigMapping | None, pairs: Sequence[str], names: Iterable[str]) -> ConfigMapping:
    """The task's mapping, or upper-case names, with the keys that were typed."""
    from truetune.config.mapping import ConfigMapping, parse_pairs

    typed = (mapping or ConfigMapping()).with_keys(parse_pairs(pairs))
    return typed if mapping is not None else typed.with_names(names)


def config_words(config: Path | None, pairs: Sequence[str]) -> str:
    """What the next command needs to be typed again, with a space before it; empty where nothing."""
    words = [] if config in (None, CONFIG) else ["--config", str(config)]
    words += [word for pair in pairs for word in ("--map", pair)]
    return "".join(f" {shlex.quote(word)}" for word in words)


@dataclass(frozen=True)
class Tuned:
    """What `train` and `verify` work from: a task, where its search wrote, the config, and keys typed for it."""

    choice: TaskChoice
    directory: Path
    config: Path
    pairs: Sequence[str]

    def make_task(self) -> Task:
        """Print what readers of the config would read differently, too. Raises ConfigError: it cannot be read."""
        from truetune.config.values import doubts

        task = make_task(self.choice, self.directory, self.pairs)
        for note in doubts(self.config, task.mapping):
            click.echo(note)
        return task


def takes_tuned(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hand over these four options as one `Tuned`."""

    @functools.wraps(command)
    def run(choice: TaskChoice, directory: Path, config: Path, pairs: Sequence[str], **others: Any) -> Any:
        return command(tuned=Tuned(choice, directory, config, pairs), **others)

    return run
