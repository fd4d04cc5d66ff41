"""JSON files with a checksum of their content: written whole or not at all, and refused when they were changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from truetune.system.checksum import CHECKSUM, with_checksum, without_checksum
from truetune.system.files import write_atomically

Parsed = TypeVar("Parsed")

_NONSENSE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
"""What json and a parser raise for content that was not written here."""


class UncheckedJson(Exception):
    """The base of what `read_checked` raises; the message is the reason, for a sentence that names the file."""


class MissingJson(UncheckedJson):
    """There is no such file."""


class UnreadableJson(UncheckedJson):
    """The system does not let us read it."""


class DamagedJson(UncheckedJson):
    """It is not what was written: cut short, changed, or no JSON."""


class ForeignJson(DamagedJson):
    """It is whole, and not what is expected here: no checksum, or other fields."""


def write_checked(path: Path, content: Mapping[str, Any], indent: int | None = None) -> Path:
    """Write `content` with its checksum, atomically; the folder is made where it is missing. Raises StorageError."""
    text = json.dumps(with_checksum(content), indent=indent) + "\n"
    return write_atomically(path, text.encode(), make_folder=True)


def read_checked(path: Path, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """What `parse` makes of the content that `write_checked` wrote.

    Raises:
        MissingJson, UnreadableJson, DamagedJson, ForeignJson: each an UncheckedJson.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingJson("there is no such file") from error
    except OSError as error:
        raise UnreadableJson(error.strerror or str(error)) from error
    content = parse_checked(data)
    try:
        return parse(content)
    except _NONSENSE as error:
        raise ForeignJson(f"its content is not what is expected: {type(error).__name__}: {error}") from error


def parse_checked(text: str | bytes) -> dict[str, Any]:
    """The content of one JSON object, compared with its checksum.

    Raises:
        DamagedJson: it is no JSON, or was changed.
        ForeignJson: it is no object, or has no checksum.
    """
    try:
        content = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedJson(f"it is not JSON: {error}") from error
    if not isinstance(content, dict) or CHECKSUM not in content:
        raise ForeignJson("it holds no checksum")
    try:
        return without_checksum(content)
    except _NONSENSE as error:
        raise DamagedJson(str(error)) from error
