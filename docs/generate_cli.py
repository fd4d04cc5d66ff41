"""Writes docs/cli.md from the commands themselves: `python docs/generate_cli.py`. A test says when it is stale."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from truetune.cli import main

PAGE = Path(__file__).with_name("cli.md")

HEAD = """\
# The command line

*This page is made from the commands themselves by `python docs/generate_cli.py`. Do not edit it.*

`truetune` is installed with the package. Three files of the repository call it:

| this | is |
|---|---|
| `python run_hyperparameter_tuning.py …` | `truetune tune …` |
| `python src/train_emotion_model.py …` | `truetune train --task eeg-emotion --config src/config.py …` |
| `python test_pipeline_quick.py` | the whole path on a small problem: tune, export, apply, retrain, verify |

Exit codes: 0, done; 1, a failure while running; 2, bad input (the message says what was received, what was expected
and what to do); 5, `verify --require-improvement` found none; 130, stopped with Ctrl-C.
"""


def cli_page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(name) for name in main.commands)])


def section(name: str) -> str:
    """One command: its help, and a table of its options."""
    command = main.commands[name]
    context = click.Context(command, info_name=f"truetune {name}")
    rows = [f"| `{names}` | {text} |" for names, text in options(command, context)]
    table = ["| option | meaning |", "|---|---|", *rows, ""] if rows else ["It takes no options.", ""]
    return "\n".join([f"## truetune {name}", "", inspect.cleandoc(command.help or ""), "", *table])


def options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """(names, meaning) of each option, ready for a table."""
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            names, text = (part.replace("|", "\\|") for part in record)
            yield names, " ".join(text.replace("<", "&lt;").split())


if __name__ == "__main__":
    PAGE.write_text(cli_page(), encoding="utf-8")
