"""The options of a task, offered by every command that loads one.

A command of class `TaskCommand` finds `--task` among its words first, and then takes that task's options beside its
own. The command's function gets the outcome as one argument, `choice`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from truetune.cli.errors import reporting

if TYPE_CHECKING:
    from truetune.tasks.choice import TaskChoice
    from truetune.tasks.declaration import Option
    from truetune.tasks.definition import TaskDefinition

Command = Callable[..., Any]

_PREFIX = "task_option_"
"""Of the names under which click keeps a task's options, apart from those of the command."""

_DEFINITION, _EARLIER = f"{__name__}.definition", f"{__name__}.earlier"

METAVAR = "NAME|FILE.py:ATTRIBUTE"


def task_options(command: Command) -> Command:
    """The options that every task has."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


_SHARED = (
    click.option(
        "--task",
        "task_spec",
        default=None,
        metavar=METAVAR,
        help="Built-in task, or your own Task as FILE.py:ATTRIBUTE.  [default: eeg-emotion]",
    ),
    click.option(
        "--groups",
        default=None,
        metavar="NAME",
        help="Level or column whose rows stay on one side of every split, e.g. subject.  [default: as declared "
        "in the data]",
    ),
    click.option(
        "--rows-are-independent",
        is_flag=True,
        help="Treat the rows as independent even if a column suggests groups.",
    ),
    click.option("--epochs", type=int, default=None, help="Maximum epochs per trial.  [default: the task's]"),
)


class TaskCommand(click.Command):
    """A command that loads a task and takes that task's options; its function gets a `TaskChoice` as `choice`."""

    made: list[TaskCommand] = []  # noqa: RUF012  # of the class: all commands that share their tasks' options
    """Every command of this kind: a task's option is one of all of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made.append(self)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            with reporting():
                self._find_task(ctx, args)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _no_such_option(ctx, error) from None
        if not ctx.resilient_parsing:
            with reporting():
                ctx.params["choice"] = _taken_choice(ctx)
        return rest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *map(click_option, _declared(ctx))]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [parameter for parameter in self.get_params(ctx) if not _is_of_task(parameter)]
        _write_options(ctx, formatter, "Options", own)
        definition = ctx.meta.get(_DEFINITION)
        if definition is None:
            with formatter.section("Options of a task"):
                formatter.write_text(_how_to_see_options(ctx))
        elif not definition.declared:
            with formatter.section(f"Options of the task {definition.name}"):
                formatter.write_text("None.")
        else:
            of_task = [parameter for parameter in self.get_params(ctx) if _is_of_task(parameter)]
            _write_options(ctx, formatter, f"Options of the task {definition.name}", of_task)

    def earlier(self, words: dict[str, Any]) -> TaskChoice | None:
        """The task and options of an earlier command, used unless others are given now; None if there was none.

        Args:
            words: the values of this command's own options as they were typed, by name.

        Raises:
            InputError: it cannot be read.
        """
        return None

    def _find_task(self, ctx: click.Context, args: list[str]) -> None:
        """Find the task among the words and keep its definition in `ctx`; for --help only if --task is given."""
        from truetune.tasks.choice import TaskChoice

        light = click.Context(
            self,
            parent=ctx.parent,
            help_option_names=ctx.help_option_names,
            ignore_unknown_options=True,
            allow_extra_args=True,
            resilient_parsing=True,
        )
        typed, _, _ = self.make_parser(light).parse_args(list(args))
        words: dict[str, Any] = {name: value for name, value in typed.items() if isinstance(value, str | bool)}
        helping = self.get_help_option(ctx)
        is_help, spec = helping is not None and helping.name in words, words.get("task_spec")
        if spec is None and is_help:
            return
        earlier = None if is_help else self.earlier(words)
        if spec is None and earlier is not None:
            spec = earlier.task_spec
        definition = TaskChoice(spec).definition()
        check_names(definition)
        ctx.meta[_DEFINITION], ctx.meta[_EARLIER] = definition, earlier


def click_option(option: Option) -> click.Option:
    """A task's option as click takes it."""
    flag, about = option.flag, option.help
    if option.is_required:
        about += "  [required]"
    elif option.default not in (None, False, ()):
        shown = option.record(option.default)
        about += f"  [default: {', '.join(map(str, shown)) if isinstance(shown, list) else shown}]"
    if option.kind is bool and not option.is_many:
        both = f"{flag}/--no-{flag[2:]}" if option.default is not False else flag
        return click.Option([_PREFIX + option.name, both], is_flag=True, default=None, help=about.strip())
    kind = click.Choice(list(option.choices)) if option.choices else _CLICK_TYPES[option.kind]
    return click.Option([_PREFIX + option.name, flag], type=kind, multiple=option.is_many, help=about.strip())


_CLICK_TYPES: dict[type, Any] = {
    bool: click.BOOL,
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    Path: click.Path(path_type=Path),
}


def check_names(definition: TaskDefinition) -> None:
    """Refuse a task's option that is one of the commands' own. Raises InputError."""
    from truetune.tasks.fields import refused_name

    taken = {flag for command in TaskCommand.made for parameter in command.params for flag in _flags(parameter)}
    for option in definition.declared:
        if _flags(click_option(option)) & taken:
            assert definition.options is not None
            raise refused_name(definition.options.__qualname__, option)


def _flags(parameter: click.Parameter) -> set[str]:
    return {*parameter.opts, *parameter.secondary_opts}


def _taken_choice(ctx: click.Context) -> TaskChoice:
    """The task's options and those of every task, taken out of click's parameters."""
    from truetune.tasks.choice import TaskChoice

    given = {}
    for name in [name for name in ctx.params if name.startswith(_PREFIX)]:
        value = ctx.params.pop(name)
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            given[name.removeprefix(_PREFIX)] = value
    shared = {name: ctx.params.pop(name) for name in ("task_spec", "epochs", "groups", "rows_are_independent")}
    choice, earlier = TaskChoice(**shared, options=given), ctx.meta.get(_EARLIER)
    return choice if earlier is None else choice.or_else(earlier)


def _declared(ctx: click.Context) -> Iterable[Option]:
    definition: TaskDefinition | None = ctx.meta.get(_DEFINITION)
    return () if definition is None else definition.declared


def _is_of_task(parameter: click.Parameter) -> bool:
    return (parameter.name or "").startswith(_PREFIX)


def _write_options(
    ctx: click.Context, formatter: click.HelpFormatter, title: str, parameters: list[click.Parameter]
) -> None:
    records = [record for parameter in parameters if (record := parameter.get_help_record(ctx)) is not None]
    with formatter.section(title):
        formatter.write_dl(records)


def _how_to_see_options(ctx: click.Context) -> str:
    from truetune.tasks.registry import TASKS

    command = f"truetune {ctx.command.name} --task NAME --help"
    return (
        f"Each task has its own options, such as the location of its data. `{command}` lists them. NAME is "
        f"{', '.join(TASKS)}, or FILE.py:ATTRIBUTE for a task of your own."
    )


def _no_such_option(ctx: click.Context, error: click.NoSuchOption) -> click.UsageError:
    """The error, with the options that the task has."""
    definition: TaskDefinition | None = ctx.meta.get(_DEFINITION)
    message = f"There is no option {error.option_name}.{_meant(ctx, error.option_name)}"
    if definition is not None:
        flags = ", ".join(option.flag for option in definition.declared)
        has = f"has the options {flags}" if flags else "has no options of its own"
        message += f" The task {definition.name} {has}; `truetune {ctx.command.name} --help` lists the others."
    return click.UsageError(message, ctx)


def _meant(ctx: click.Context, flag: str) -> str:
    from truetune.tasks.registry import TASKS, definition_of

    known = [known for parameter in ctx.command.get_params(ctx) for known in _flags(parameter)]
    close = difflib.get_close_matches(flag, known, n=1, cutoff=0.75)
    if close:
        return f" Did you mean {close[0]}?"
    others = [name for name in TASKS if any(option.flag == flag for option in definition_of(name).declared)]
    return f" It belongs to the task {', '.join(others)}." if others else ""
