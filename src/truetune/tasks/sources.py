"""Where a task's data come from: what was given, the folder `data/`, or synthetic data that were requested."""

from __future__ import annotations

from pathlib import Path

from truetune.errors import DataError

DATA = Path("data")


def default_data(data: Path | None, dummy: bool) -> Path | None:
    """The data that were given, else `data/` if it exists and no synthetic data were requested."""
    if data is None and not dummy and DATA.is_dir():
        return DATA
    return data


def check_source(data: Path | None, dummy: bool, what: str, made_up: str) -> None:
    """Refuse both, and neither: data are never made up unasked.

    Args:
        what: the data that are expected, e.g. "EEG".
        made_up: what stands in for them, e.g. "signals".

    Raises:
        DataError: both data and synthetic data, or none.
    """
    if dummy and data is not None:
        raise DataError(
            f"Both --data {data} and --use-dummy-data were given. Expected only one of them; omit the other."
        )
    if not dummy and data is None:
        raise DataError(
            f"No data were given, and there is no folder data/. Expected --data DIR (a folder or file of {what}), or "
            f"--use-dummy-data to try the task on synthetic {made_up}."
        )
