"""From a file or folder to a dataset: which format it is, and what is in it.

Importing this loads neither MNE nor pandas nor SciPy; each reader loads what it needs when it reads.
"""

from __future__ import annotations

from pathlib import Path

from truetune.data.dataset import Dataset
from truetune.data.grouping import Grouping
from truetune.data.reading import formats
from truetune.data.reading.formats import Reader
from truetune.errors import DataError
from truetune.tasks.eeg_emotion.readers import arrays, deap, dreamer, feature_tables, raw, seed, tables
from truetune.tasks.eeg_emotion.readers.options import ReadOptions

# In this order: a folder of raw recordings may hold a labels.csv, which is no table of signals.
READERS: dict[str, Reader[ReadOptions]] = {
    "arrays": arrays.READER,
    "deap": deap.READER,
    "seed": seed.READER,
    "dreamer": dreamer.READER,
    "raw": raw.READER,
    "tables": tables.READER,
    "feature_tables": feature_tables.READER,
}


def load(
    path: str | Path,
    label: str | None = None,
    groups: str | None = None,
    cache_dir: str | Path | None = None,
    *,
    sfreq: float | None = None,
    window_seconds: float | None = None,
    rows_are_independent: bool = False,
) -> Dataset:
    """The features, labels and identities in a file or folder of any known format, checked.

    Args:
        label: which label to learn, where there are several: a column's name, or "valence", "arousal" or "emotion"
            for data with ratings. Emotions 0…4 are loaded with three heads.
        groups: which identity never crosses a split, e.g. "session"; None is "subject" where it is known.
        rows_are_independent: no rows belong together, whatever the data declare.
        cache_dir: folder for extracted features; None keeps none.
        sfreq: samples per second, Hz, for tables that lack it.
        window_seconds: length of the windows that longer trials are cut into; None: 4 s, or the shortest trial.

    Raises:
        DataError: the path does not exist, no format fits, what is in it cannot be used, or a column looks like a
            person and no groups are declared.
        InputError: both `groups` and `rows_are_independent`.
    """
    path, grouping = Path(path), Grouping(groups, rows_are_independent)
    options = ReadOptions(label, sfreq, window_seconds, None if cache_dir is None else Path(cache_dir), groups)
    _check_options(options)
    dataset = grouping.of(READERS[detect(path)].read(path, options))
    dataset.check()
    return dataset


def detect(path: Path) -> str:
    """The name of the format, a key of `READERS`. Raises DataError: nothing is there, or it looks like no format."""
    return formats.detect(path, READERS, "EEG")


def _check_options(options: ReadOptions) -> None:
    for name in ("sfreq", "window_seconds"):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            raise DataError(f"{name}={value} was given. Expected a positive number.")
