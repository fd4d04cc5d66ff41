"""Writes docs/cli.md from the commands, and the table of algorithms from their list: `python docs/generate_cli.py`.

A test fails when one of them is stale.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from truetune.cli import main
from truetune.cli.task_options import TaskCommand, click_option
from truetune.search.registry import ALGORITHMS, algorithms_of, choose_algorithm
from truetune.tasks.registry import DEFAULT_TASK, TASKS, definition_of

PAGE = Path(__file__).with_name("cli.md")
ALGORITHMS_PAGE = PAGE.parent / "how-to" / "choose-an-algorithm.md"

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
    return "\n".join([HEAD, *(section(name) for name in main.commands), *map(task_section, TASKS)])


def section(name: str) -> str:
    """One command: its help, and a table of its options."""
    command = main.commands[name]
    context = click.Context(command, info_name=f"truetune {name}")
    lines = [f"## truetune {name}", "", inspect.cleandoc(command.help or ""), ""]
    if isinstance(command, TaskCommand):
        lines += ["It also takes the options of its task, see below.", ""]
    return "\n".join([*lines, *table(command.params, context)])


def task_section(name: str) -> str:
    """One task: what it is, and a table of its options."""
    commands = ", ".join(f"`{name}`" for name, command in main.commands.items() if isinstance(command, TaskCommand))
    context = click.Context(main.commands["tune"])
    is_default = f" It is the default of `--task`; {commands} take these options." if name == DEFAULT_TASK else ""
    own = [click_option(option) for option in definition_of(name).declared]
    return "\n".join([f"## --task {name}", "", TASKS[name].summary + is_default, "", *table(own, context)])


def algorithms_page() -> str:
    """The page on algorithms, with its table made anew; the first table of the page is that one."""
    text = ALGORITHMS_PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition("| command |")
    return before + algorithm_table() + "\n" + rest.partition("\n\n")[2]


def algorithm_table() -> str:
    """The list of algorithms, the default first."""
    lines = ["| command | algorithm | good for | needs |", "|---|---|---|---|"]
    for algorithm in ALGORITHMS:
        is_first = algorithm.name == algorithms_of(algorithm.method)[0]
        command = f"--method {algorithm.method}" if is_first else f"--tuning-algorithm {algorithm.name}"
        is_default = " (the default)" if algorithm is choose_algorithm() else ""
        lines.append(f"| `{command}`{is_default} | {algorithm.what} | {algorithm.good_for} | {algorithm.needs} |")
    return "\n".join(lines) + "\n"


def table(parameters: Iterable[click.Parameter], context: click.Context) -> list[str]:
    """Lines of a table of options."""
    rows = [f"| `{names}` | {text} |" for names, text in meanings(parameters, context)]
    return ["| option | meaning |", "|---|---|", *rows, ""] if rows else ["It takes no options.", ""]


def meanings(parameters: Iterable[click.Parameter], context: click.Context) -> Iterator[tuple[str, str]]:
    """(names, meaning) of each option, ready for a table."""
    for parameter in parameters:
        record = parameter.get_help_record(context)
        if record is not None:
            names, text = (part.replace("|", "\\|") for part in record)
            yield names, " ".join(text.replace("<", "&lt;").split())


if __name__ == "__main__":
    PAGE.write_text(cli_page(), encoding="utf-8")
    ALGORITHMS_PAGE.write_text(algorithms_page(), encoding="utf-8")
