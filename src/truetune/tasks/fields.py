"""From the fields of a dataclass to a task's options; what cannot be an option is refused here."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import MISSING
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from truetune.errors import InputError
from truetune.tasks.declaration import KEY, RESERVED, TYPES, Notes, Option


def options_of(declared: type) -> tuple[Option, ...]:
    """The options that a dataclass declares, in their order.

    Raises:
        InputError: it is not a frozen dataclass, or a field cannot be an option; with the field's name.
    """
    name = declared.__qualname__
    if not dataclasses.is_dataclass(declared) or not _is_frozen(declared):
        raise InputError(
            f"The options {name} are not a frozen dataclass. Expected @dataclass(frozen=True) before the class."
        )
    hints = _type_hints(declared)
    options = tuple(_option(name, field, hints[field.name]) for field in dataclasses.fields(declared) if field.init)
    _check_names(name, options)
    return options


def refused_name(declared: str, option: Option) -> InputError:
    """An error for a name that means something else to every task."""
    return InputError(
        f"{declared} declares the option '{option.name}', but {option.flag} is an option of the commands themselves. "
        "Expected another name; rename the field."
    )


def _is_frozen(declared: type) -> bool:
    return bool(getattr(declared, "__dataclass_params__").frozen)  # noqa: B009  # known at run time only


def _type_hints(declared: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(declared)
    except NameError as error:
        raise InputError(
            f"The types of the options {declared.__qualname__} cannot be found: {error}. Expected names that are "
            "imported in the module of the class, not only under TYPE_CHECKING."
        ) from error


def _option(declared: str, field: dataclasses.Field[Any], hint: Any) -> Option:
    notes = field.metadata.get(KEY, Notes("", None, False, ()))
    is_many, single = _without_tuple(hint)
    may_be_none, single = _without_none(single)
    kind, choices = _kind(declared, field.name, single)
    compare = field.compare and (kind is not Path if notes.compare is None else notes.compare)
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    found = Option(
        field.name,
        kind,
        default,
        choices,
        may_be_none,
        is_many,
        notes.help,
        compare,
        notes.must_exist,
        notes.instead_of,
    )
    if default is not MISSING:
        _check_default(declared, dataclasses.replace(found, must_exist=False))
    return found


def _check_default(declared: str, option: Option) -> None:
    try:
        option.read(option.default)
    except InputError as error:
        raise InputError(f"The default of {declared}.{option.name} does not fit its type: {error}") from error


def _without_tuple(hint: Any) -> tuple[bool, Any]:
    arguments = typing.get_args(hint)
    is_many = typing.get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis
    return is_many, arguments[0] if is_many else hint


def _without_none(hint: Any) -> tuple[bool, Any]:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return False, hint
    rest = [part for part in typing.get_args(hint) if part is not types.NoneType]
    return True, rest[0] if len(rest) == 1 else hint


def _kind(declared: str, name: str, hint: Any) -> tuple[type, dict[str, Any]]:
    if hint in TYPES:
        return hint, {}
    if typing.get_origin(hint) is Literal:
        return str, {str(value): value for value in typing.get_args(hint)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return str, {str(member.value) if isinstance(member.value, str) else member.name: member for member in hint}
    raise InputError(
        f"{declared}.{name} is of type {getattr(hint, '__name__', hint)}. Expected str, int, float, bool, Path, a "
        "Literal or an Enum, one of these | None, or tuple[…, ...] of one."
    )


def _check_names(declared: str, options: tuple[Option, ...]) -> None:
    flags = [option.flag for option in options]
    names = {option.name for option in options}
    for option in options:
        if option.name in RESERVED or option.name.startswith("_") or option.flag == "--":
            raise refused_name(declared, option)
        if flags.count(option.flag) > 1 or f"--no-{option.flag[2:]}" in flags:
            raise InputError(
                f"{declared}.{option.name} has the same flag as another option. Expected another name; rename it."
            )
        if not set(option.instead_of) <= names:
            raise InputError(
                f"{declared}.{option.name} is instead of {', '.join(option.instead_of)}. Expected one of: "
                f"{', '.join(sorted(names))}."
            )
