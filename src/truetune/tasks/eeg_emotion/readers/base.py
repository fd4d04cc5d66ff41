"""What every reader is: a test whether a path is its format, and a function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from truetune.data.dataset import Dataset
from truetune.errors import DataError

Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadOptions:
    """What a person may say about data that do not say it themselves.

    Attributes:
        label: the column or head to learn; None takes the only one, or all heads.
        sfreq: samples per second, Hz, where the files do not tell.
        window_seconds: length of the windows that trials are cut into; None: 4 s, or the shortest trial's.
        cache_dir: where extracted features are kept; None keeps none.
        groups: a further column that says who or what a row is from, whatever its name.
    """

    label: str | None = None
    sfreq: float | None = None
    window_seconds: float | None = None
    cache_dir: Path | None = None
    groups: str | None = None


@dataclass(frozen=True)
class Reader:
    """One format.

    Attributes:
        expects: one line for a person: which files.
        matches: whether a file or folder looks like this format; cheap, reads names and headers only.
        read: loads it; raises DataError for everything that is wrong with it.
    """

    expects: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]


def foreign(path: Path, expected: str, read: Callable[[], Result]) -> Result:
    """What `read`, a library's reader, returns for a file.

    Raises:
        DataError: the library failed. On damaged files they raise whatever they stumble over (ValueError, KeyError,
            struct.error, …), so anything that such a call raises is said of the file.
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
