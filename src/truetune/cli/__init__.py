"""The command line: `truetune …`. Importing it loads click and nothing heavy; each command imports what it needs."""

from __future__ import annotations

import click

from truetune.cli.clean import clean
from truetune.cli.commands import apply, doctor, status, train, undo, verify
from truetune.cli.options import SETTINGS
from truetune.cli.tasks import tasks
from truetune.cli.tune import plan, tune


@click.group(context_settings=SETTINGS)
@click.version_option(package_name="truetune")
def main() -> None:
    """Tune a Keras model, put the winner into its config, and know whether it really got better."""


for command in (tune, plan, tasks, apply, undo, train, verify, status, clean, doctor):
    main.add_command(command)
