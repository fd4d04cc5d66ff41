"""Formats of data: how a path's format is recognised, and what reads it.

A task lists its readers in a dict and calls `detect`::

    READERS = {"folders": folders.READER, "tables": tables.READER}
    dataset = READERS[detect(path, READERS, "pictures")].read(path, options)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from truetune.data.dataset import Dataset
from truetune.errors import DataError

Result = TypeVar("Result")
Options = TypeVar("Options", contravariant=True)


@dataclass(frozen=True)
class Reader(Generic[Options]):
    """One format.

    Attributes:
        expects: one line for a person: which files.
        matches: whether a file or folder looks like this format; cheap, reads names and headers only.
        read: loads it, with the options that the task's readers share; raises DataError for everything that is wrong
            with it.
    """

    expects: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, Options], Dataset]


def detect(path: Path, readers: Mapping[str, Reader[Any]], of: str = "") -> str:
    """The name of the first reader that recognises a path.

    Args:
        of: what is looked for, for the error message, e.g. "EEG".

    Raises:
        DataError: nothing is there, or it looks like no format.
    """
    if not path.exists():
        what = f"{of} data" if of else "data"
        raise DataError(f"{path} does not exist. Expected a file or folder of {what}; check the path.")
    for name, reader in readers.items():
        if reader.matches(path):
            return name
    raise DataError(
        f"{path} {_contents(path)}. Expected one of:\n"
        + "\n".join(f"  - {reader.expects}" for reader in readers.values())
        + "\nGive the folder that holds such files."
    )


def foreign(path: Path, expected: str, read: Callable[[], Result]) -> Result:
    """What `read`, a library's reader, returns for a file.

    Raises:
        DataError: the library failed. On damaged files they raise whatever they stumble over (ValueError, KeyError,
            struct.error, …), so anything that such a call raises is blamed on the file.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty. Expected {expected}; copy or download it again.")
    try:
        return read()
    except DataError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {reason}). Expected {expected}; check that it is "
            "complete, or copy or download it again."
        ) from error


def files_in(path: Path, *suffixes: str, recursive: bool = False) -> list[Path]:
    """The path itself, or the files in the folder, whose names end in one of the suffixes; sorted, hidden ones out."""
    in_folder = path.rglob("*") if recursive else path.glob("*")
    found = [path] if path.is_file() else sorted(in_folder)
    return [f for f in found if f.name.lower().endswith(suffixes) and f.is_file() and not f.name.startswith(".")]


def _contents(path: Path) -> str:
    if path.is_file():
        return f"is a {path.suffix or 'file without a suffix'} ({path.stat().st_size} bytes)"
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in path.iterdir())
    if not names:
        return "is an empty folder"
    return f"holds {', '.join(names[:6])}{', …' if len(names) > 6 else ''}"
