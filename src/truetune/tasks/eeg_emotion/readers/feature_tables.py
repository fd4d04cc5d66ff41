"""Feature tables: one row per sample, a column per feature, and columns that identify it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.groups import looks_like_group
from truetune.data.reading.csv_files import read_csv, tables_in
from truetune.data.reading.formats import Reader
from truetune.errors import DataError
from truetune.tasks.eeg_emotion import labels
from truetune.tasks.eeg_emotion.readers.options import ReadOptions
from truetune.tasks.eeg_emotion.signals import LEVELS, levels_of

if TYPE_CHECKING:
    import pandas as pd

# Columns that are labels by name: the first is taken where none is asked for, and none of them is ever a feature.
LABELS = ("emotion", "label", "y", "target", "class", "valence", "arousal", "dominance")
_INDEX = ("index", "id", "sample")


def matches(path: Path) -> bool:
    return bool(tables_in(path))


def read(path: Path, options: ReadOptions) -> Dataset:
    """Every numeric column is a feature but the labels, row numbers and identities.

    Identities are subject, session and trial, a column of whole numbers or words that looks like a person or a
    recording (`participant_id`), and the one that `groups` names. A column `subject` declares groups; no other does.
    """
    table = _concatenate(tables_in(path))
    label = options.label or next((name for name in LABELS if name in table), None)
    if label is None or label not in table:
        raise DataError(
            f"{path} has no column {'of labels' if label is None else repr(label)}; its columns are "
            f"{_some(list(table.columns))}. Expected a label column such as 'label' or 'emotion'; name it with the "
            "label option."
        )
    names = [name for name in table.columns if name != label and _is_identity(table, name, options.groups)]
    _check_no_gaps(path, table, [label, *names])
    features = _features(path, table, [label, *names])
    encoded = labels.encode(table[label].to_numpy(), label)
    identities = {str(name): table[name].to_numpy(dtype=str) for name in names}
    return Dataset(
        X=features.to_numpy(dtype=np.float32),
        y=encoded.y,
        groups=levels_of(identities),
        class_names=encoded.class_names,
        main_output=encoded.main_output,
        identities=identities,
        kind="EEG features",
    )


def _concatenate(files: list[Path]) -> pd.DataFrame:
    import pandas as pd

    tables = [read_csv(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        if set(table.columns) != set(tables[0].columns):
            other = sorted(set(table.columns) ^ set(tables[0].columns))
            raise DataError(
                f"{file} and {files[0]} differ in the columns {_some(other)}. Expected the same columns in every table."
            )
    return pd.concat(tables, ignore_index=True)


def _is_identity(table: pd.DataFrame, name: str, groups: str | None) -> bool:
    """A name alone is not enough: `distance_to_person` in fractions is a feature."""
    if name in LEVELS or name == groups:
        return True
    return looks_like_group(str(name)) and not _has_fractions(table[name])


def _has_fractions(column: pd.Series[Any]) -> bool:
    return column.dtype.kind == "f" and bool((column.dropna() % 1 != 0).any())


def _features(path: Path, table: pd.DataFrame, others: list[str]) -> pd.DataFrame:
    taken = {*others, *LEVELS, *LABELS, *_INDEX}
    rest = table[[name for name in table.columns if name not in taken and not str(name).startswith("Unnamed:")]]
    features = rest.select_dtypes("number")
    if features.shape[1] == 0:
        raise DataError(
            f"{path} has no column of numbers beside {_some(sorted(taken & set(table.columns)))}. Expected features."
        )
    return features


def _check_no_gaps(path: Path, table: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        missing = int(table[name].isna().sum())
        if missing:
            raise DataError(f"{missing} rows of {path} have no '{name}'. Expected one in every row; fill or drop them.")


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:8])) + (", …" if len(names) > 8 else "")


READER = Reader("a feature table: .csv with a label column, a column per feature, and if known subject", matches, read)
