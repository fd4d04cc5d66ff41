"""`truetune tune` and `truetune plan`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from truetune.cli.errors import reported
from truetune.cli.mapped import config_words, make_task
from truetune.cli.options import CONFIG, SETTINGS, search_options
from truetune.cli.task_options import TaskCommand, task_options

if TYPE_CHECKING:
    from rich.console import Console

    from truetune.study.events import Observer
    from truetune.study.options import SearchOptions
    from truetune.task import Task
    from truetune.tasks.choice import TaskChoice


@click.command(cls=TaskCommand, context_settings=SETTINGS)
@task_options
@search_options
@click.option("--dry-run", is_flag=True, help="Print the plan without training, like `truetune plan`.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="File for the winner.  [default: <directory>/best_hyperparameters.json]",
)
@reported
def tune(dry_run: bool, output: Path | None, choice: TaskChoice, pairs: tuple[str, ...], **chosen: Any) -> None:
    """Search for the best hyperparameters and export them.

    Interrupt a search at any time; rerun the same command to continue. A larger --max-trials extends it.
    """
    from rich.console import Console

    console = Console()
    options = _options(chosen)
    task = make_task(choice, options.directory, pairs)
    options = _with_config(options, task)
    if dry_run:
        _show_plan(console, task, options)
        return
    written = output or options.directory / "best_hyperparameters.json"
    _tune(console, task, options, choice.source(), written, f"truetune apply{config_words(options.config, pairs)}")


@click.command(cls=TaskCommand)
@task_options
@search_options
@reported
def plan(choice: TaskChoice, pairs: tuple[str, ...], **chosen: Any) -> None:
    """Print the search space, its size, the schedule and the estimated time.

    Trains the default model for two epochs and nothing else.
    """
    from rich.console import Console

    options = _options(chosen)
    task = make_task(choice, options.directory, pairs)
    _show_plan(Console(), task, _with_config(options, task))


def _options(chosen: dict[str, Any]) -> SearchOptions:
    from truetune.study.options import SearchOptions

    names = [name for name in SearchOptions.__dataclass_fields__ if name in chosen]
    return SearchOptions(**{name: chosen[name] for name in names})


def _with_config(options: SearchOptions, task: Task) -> SearchOptions:
    """Today's `src/config.py`, for a task that declares its mapping."""
    if options.config is None and task.mapping is not None and CONFIG.exists():
        return replace(options, config=CONFIG)
    return options


def _tune(
    console: Console, task: Task, options: SearchOptions, source: dict[str, Any], output: Path, next_command: str
) -> None:
    from truetune.api import run_search
    from truetune.report.terminal.summary import print_summary

    with _screen(console, task) as observer:
        _note_task(observer, task)
        result = run_search(task, options, observer, source)
    written = result.export(output)
    print_summary(console, result, written, next_command)


def _note_task(observer: Observer, task: Task) -> None:
    data = task.load()
    synthetic = " The data are synthetic, so the scores have no meaning." if data.is_dummy else ""
    who = "" if data.groups is None else f" of {len(set(data.groups.tolist()))} {data.group_name}s"
    observer.note(f"Task {task.name}: {data.kind}, {len(data)} rows{who}.{synthetic}")


def _screen(console: Console, task: Task) -> AbstractContextManager[Any]:
    from truetune.report.terminal.screen import LiveScreen, PlainLines

    if console.is_terminal:
        return LiveScreen(console, task.objective, task.epochs)
    return nullcontext(PlainLines(console, task.objective, task.epochs))


def _show_plan(console: Console, task: Task, options: SearchOptions) -> None:
    from truetune.inspection.planning import make_plan
    from truetune.report.terminal.plan import print_plan

    print_plan(console, make_plan(task, options))
