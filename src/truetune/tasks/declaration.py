"""How a task declares its options: the fields of a frozen dataclass.

::

    @dataclass(frozen=True)
    class Options:
        data: Path = truetune.option(help="Folder of images.")
        image_size: int = truetune.option(48, help="Pixels on each side.")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from truetune.errors import InputError

KEY = "truetune"
"""Of a field's metadata."""

TYPES: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}
"""What an option may be, and how that is expected in words."""

RESERVED = frozenset({"task", "task_spec", "epochs", "groups", "rows_are_independent", "help", "h"})
"""Names that mean the same for every task; the command line reserves those of its other options too."""


@dataclass(frozen=True)
class Notes:
    """What `option` leaves in a field's metadata."""

    help: str
    compare: bool | None
    must_exist: bool
    instead_of: tuple[str, ...]


def option(
    default: Any = MISSING,
    *,
    help: str,
    compare: bool | None = None,
    must_exist: bool = False,
    instead_of: str | tuple[str, ...] = (),
) -> Any:
    """A field of a task's options; `image_size` becomes `--image-size`.

    The field's annotation is its type: `str`, `int`, `float`, `bool`, `pathlib.Path`, a `Literal`, an `Enum`, any of
    these `| None`, or `tuple[X, ...]` for an option that may be given several times.

    Args:
        default: none makes the option one that must be given.
        help: a line that names the thing first, e.g. "Pixels on each side."
        compare: whether a study is resumed only with the same value. None: unless it is a path. A path may change, as
            when data are moved: what it holds is compared as the data's fingerprint.
        must_exist: for a path: that nothing is there is an error.
        instead_of: options that are not taken from the record of a search where this one is given, as when `data` is
            given instead of `use_dummy_data`.
    """
    others = (instead_of,) if isinstance(instead_of, str) else tuple(instead_of)
    return dataclasses.field(default=default, metadata={KEY: Notes(help, compare, must_exist, others)})


@dataclass(frozen=True)
class Option:
    """One option of a task.

    Attributes:
        name: of the field.
        kind: `bool`, `int`, `float`, `str` or `Path`; `str` where there are `choices`.
        default: of the field; `MISSING` where it must be given.
        choices: text → value, empty where any value of the kind will do.
        may_be_none: None is a value of it.
        is_many: it is a tuple of such values.
        help: one line.
        compare: a study is resumed only with the same value.
        must_exist: the path must exist.
        instead_of: options that this one replaces.
    """

    name: str
    kind: type
    default: Any
    choices: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    may_be_none: bool = False
    is_many: bool = False
    help: str = ""
    compare: bool = True
    must_exist: bool = False
    instead_of: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """As it is typed: `--image-size`."""
        return "--" + self.name.strip("_").replace("_", "-")

    @property
    def is_required(self) -> bool:
        return self.default is MISSING

    def read(self, value: Any) -> Any:
        """The value of a field from what was typed or recorded. Raises InputError: it is none of this option's."""
        if value is None and self.may_be_none:
            return None
        if not self.is_many:
            return self._read_one(value)
        values = (value,) if isinstance(value, str | Path) else tuple(value)
        return tuple(self._read_one(one) for one in values)

    def record(self, value: Any) -> Any:
        """What JSON keeps of a value; `read` is the inverse."""
        if self.is_many and isinstance(value, tuple):
            return [self._record_one(one) for one in value]
        return self._record_one(value)

    def _record_one(self, value: Any) -> Any:
        if self.choices:
            return next((text for text, choice in self.choices.items() if choice == value), value)
        return str(value) if isinstance(value, Path) else value

    def _read_one(self, value: Any) -> Any:
        if self.choices:
            return self._choice(value)
        if self.kind is Path and isinstance(value, str | Path):
            return self._path(Path(value))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind is float and is_number:
            return float(value)
        if self.kind is int and is_number and value == int(value):
            return int(value)
        if self.kind in (bool, str) and isinstance(value, self.kind):
            return value
        raise InputError(f"{self.flag} was {value!r}. Expected {TYPES[self.kind]}.")

    def _choice(self, value: Any) -> Any:
        if isinstance(value, str) and value in self.choices:
            return self.choices[value]
        if any(
            value is choice or (value == choice and type(value) is type(choice)) for choice in self.choices.values()
        ):
            return value
        raise InputError(f"{self.flag} was {value!r}. Expected one of: {', '.join(self.choices)}.")

    def _path(self, path: Path) -> Path:
        if self.must_exist and not path.exists():
            raise InputError(f"{self.flag}: {path} does not exist. Expected a file or folder; check the path.")
        return path
