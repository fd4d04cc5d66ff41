"""The options that were chosen for a task: made from what was given, recorded, and compared on resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from truetune.errors import InputError
from truetune.tasks.declaration import Option
from truetune.tasks.fields import options_of
from truetune.tasks.users_code import blamed


def build(declared: type, values: Mapping[str, Any], of: str) -> Any:
    """The options themselves, from the values that were given.

    Args:
        declared: their dataclass.
        values: by field name, as typed or recorded.
        of: the task, for messages.

    Raises:
        InputError: an unknown option, one that must be given and was not, a value that is none of its type, or one
            that the class itself refuses with a ValueError.
        BuildError: the class raised something else.
    """
    options = {option.name: option for option in options_of(declared)}
    for name in values:
        if name not in options:
            raise unknown(name, of, tuple(options.values()))
    missing = [option for option in options.values() if option.is_required and option.name not in values]
    if missing:
        listed = "\n".join(f"  {option.flag}  {option.help}".rstrip() for option in missing)
        raise InputError(f"The task {of} needs these options:\n{listed}\nPass them on the command line.")
    read = {name: options[name].read(value) for name, value in values.items()}
    return blamed(f"The options of {of}", lambda: _made(declared, read, of))


def _made(declared: type, values: Mapping[str, Any], of: str) -> Any:
    try:
        return declared(**values)
    except ValueError as error:
        raise InputError(f"The options of {of} do not fit: {error}") from error


def unknown(name: str, of: str, options: tuple[Option, ...]) -> InputError:
    """An error that lists the options that the task has."""
    flag = "--" + name.replace("_", "-")
    if not options:
        return InputError(f"The task {of} has no options of its own, but {flag} was given. Leave it out.")
    return InputError(f"The task {of} has no option {flag}. Expected one of: {', '.join(o.flag for o in options)}.")


def given(options: Any) -> dict[str, Any]:
    """What differs from the defaults, JSON-ready, by field name."""
    return {
        option.name: option.record(getattr(options, option.name))
        for option in options_of(type(options))
        if option.is_required or getattr(options, option.name) != option.default
    }


def compared(options: Any) -> dict[str, Any]:
    """What a study must be resumed with, JSON-ready, by flag; of no options nothing."""
    if options is None:
        return {}
    return {
        option.flag: option.record(getattr(options, option.name))
        for option in options_of(type(options))
        if option.compare
    }
