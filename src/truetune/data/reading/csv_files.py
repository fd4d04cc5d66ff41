"""Comma-separated files: their header, and their content through pandas."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from truetune.data.reading.bounds import LARGEST_LINE, BoundedGzip, check_file
from truetune.data.reading.formats import files_in, foreign
from truetune.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz")
# Names, even where they look like numbers: subject 01 is not subject 1.
_WORDS = {"subject": str, "session": str, "file": str}
_EXPECTED = "a comma-separated table with a header"


def tables_in(path: Path) -> list[Path]:
    """The tables at a path; `labels.csv` describes other files and is none of them."""
    return [f for f in files_in(path, *SUFFIXES) if path.is_file() or f.name != "labels.csv"]


def header(file: Path) -> list[str]:
    """The names of a file's columns.

    Raises:
        DataError: the file is empty, damaged or no text.
    """
    names = foreign(file, _EXPECTED, lambda: _first_line(file))
    if not names:
        raise DataError(f"{file} has no header. Expected {_EXPECTED}.")
    return names


def read_csv(file: Path) -> pd.DataFrame:
    """A file as a table, with at least one row.

    Raises:
        DataError: the file is empty, truncated, or its lines have different numbers of fields.
    """
    import pandas as pd

    def read() -> pd.DataFrame:
        check_file(file)
        with _opened(file) as content:
            return pd.read_csv(content, skipinitialspace=True, dtype=_WORDS, encoding_errors="strict")

    table: pd.DataFrame = foreign(file, _EXPECTED, read)
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is beyond the header for an index
        raise DataError(
            f"The rows of {file} have more fields than its header has names. Expected {_EXPECTED}, a name for each "
            "field; export it again."
        )
    if table.empty:
        raise DataError(f"{file} has a header and no rows. Expected at least one row; export it again.")
    return table


def _first_line(file: Path) -> list[str]:
    with _opened(file) as content:
        line = content.readline(LARGEST_LINE + 1)
    if len(line) > LARGEST_LINE:
        raise DataError(f"The first line of {file} is longer than {LARGEST_LINE} bytes. Expected {_EXPECTED}.")
    return [name.strip() for name in next(csv.reader([line.decode("utf-8-sig")]), [])]


def _opened(file: Path) -> IO[Any]:
    return io.BufferedReader(BoundedGzip(file)) if file.suffix == ".gz" else file.open("rb")
