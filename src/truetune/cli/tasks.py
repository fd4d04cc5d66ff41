"""`truetune tasks`."""

from __future__ import annotations

import click

from truetune.cli.errors import reported


@click.command()
@reported
def tasks() -> None:
    """List the built-in tasks.

    A task of your own is a Task in a Python file: --task FILE.py:ATTRIBUTE.
    """
    from truetune.tasks.registry import DEFAULT_TASK, TASKS

    width = max(map(len, TASKS))
    for name, entry in TASKS.items():
        click.echo(f"{name:<{width}}  {entry.summary}{'  [default]' if name == DEFAULT_TASK else ''}")
    click.echo("\nThe options of a task: truetune tune --task NAME --help")
    click.echo("A task of your own:    truetune tune --task FILE.py:ATTRIBUTE")
