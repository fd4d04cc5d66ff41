"""Tables of signals: one row per sample in time, a column per electrode, as in the UCI EEG Database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.data.reading.bounds import read_small_text
from truetune.data.reading.csv_files import header, read_csv, tables_in
from truetune.data.reading.formats import Reader, foreign
from truetune.errors import DataError
from truetune.tasks.eeg_emotion.channels import standard_name
from truetune.tasks.eeg_emotion.features import extract_all
from truetune.tasks.eeg_emotion.readers.options import ReadOptions
from truetune.tasks.eeg_emotion.signals import LEVELS, Recordings, cut

if TYPE_CHECKING:
    import pandas as pd

_NO_LABELS = {*LEVELS, "sample", "sfreq", "time"}
_USUAL_LABELS = ("emotion", "label")
# Subjects of the UCI EEG Database (kdd.ics.uci.edu/databases/eeg: "256 Hz (3.9-msec epoch) for 1 second") are called
# co2a0000364 or co3c0000402: a fixed prefix, a for alcoholic or c for control, a number.
_UCI_SUBJECT = re.compile(r"co\d[ac]\d{7}")
UCI_SFREQ = 256.0


def matches(path: Path) -> bool:
    files = tables_in(path)
    return bool(files) and "sample" in header(files[0])


def read(path: Path, options: ReadOptions) -> Dataset:
    """One trial per (subject, session, trial), its samples in the order of `sample`, labelled by a column.

    Electrodes are the columns with an electrode's name, in µV. The label is any column that is constant within each
    trial; `label` names it, unless there is only one, or one called "emotion" or "label".

    The sampling rate is, in this order: the option `sfreq`; a column `sfreq`; `{"sfreq": …}` in a `dataset.json` beside
    the tables; 256 Hz where the subjects are named as in the UCI EEG Database and every trial has its 256 samples.
    """
    return extract_all(_recordings(path, options), options.cache_dir)


def _recordings(path: Path, options: ReadOptions) -> Iterator[Recordings]:
    for file in tables_in(path):
        yield _read_file(file, options)


def _read_file(file: Path, options: ReadOptions) -> Recordings:
    table = read_csv(file)
    _check_columns(file, table)
    keys = [name for name in LEVELS if name in table]
    table = table.sort_values([*keys, "sample"], kind="stable").reset_index(drop=True)
    starts, lengths = _trials(file, table, keys)
    further = _further_groups(file, table, starts, lengths, options.groups)
    label = _label(file, table.drop(columns=further), starts, lengths, options.label)
    channels = _channels(file, table)
    sfreq = options.sfreq or _sfreq(file, table, lengths)
    values = table[channels].to_numpy(dtype=np.float32)
    trials = [values[start : start + length].T for start, length in zip(starts, lengths, strict=True)]
    signals, trial_of = cut(trials, sfreq, options.window_seconds)
    rows = table.iloc[starts[trial_of]]
    return Recordings(
        signals=signals,
        sfreq=sfreq,
        ch_names=tuple(channels),
        y=_plain(rows[label]),
        identities={name: rows[name].to_numpy(dtype=str) for name in [*keys, *further]},
        label=label,
        kind="EEG signals (tables)",
        source=str(file),
    )


def _check_columns(file: Path, table: pd.DataFrame) -> None:
    missing = [name for name in ("subject", "trial", "sample") if name not in table]
    if missing:
        raise DataError(
            f"{file} has no column {', '.join(missing)}; its columns are {', '.join(map(str, table.columns[:8]))}, …. "
            "Expected subject, trial, sample, a label, and a column per electrode."
        )
    for name in (*LEVELS, "sample"):
        if name in table and table[name].isna().any():
            raise DataError(
                f"{int(table[name].isna().sum())} rows of {file} have no '{name}'. Expected one in each row."
            )


def _trials(file: Path, table: pd.DataFrame, keys: list[str]) -> tuple[Array, Array]:
    """The first row and the number of rows of each trial, in a table sorted by trial and sample."""
    number = table.groupby(keys, sort=False).ngroup().to_numpy()
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    lengths = np.diff(starts, append=len(number))
    steps = np.diff(table["sample"].to_numpy())
    within = np.delete(steps, starts[1:] - 1)
    twice, gaps = int((within == 0).sum()), int(((within != 0) & (within != 1)).sum())
    if twice or gaps:
        raise DataError(
            f"{file} has {twice} samples twice and {gaps} gaps within its trials. Expected the samples of a trial to "
            "be numbered one by one; export it again."
        )
    return starts, lengths


def _further_groups(file: Path, table: pd.DataFrame, starts: Array, lengths: Array, groups: str | None) -> list[str]:
    """The column that `groups` names, where it is none of the levels."""
    if groups is None or groups in LEVELS or groups not in table:
        return []
    trial = np.repeat(np.arange(len(starts)), lengths)
    if table[groups].isna().any() or table[groups].groupby(trial).nunique().max() > 1:
        raise DataError(
            f"The column '{groups}' of {file} has gaps or changes within a trial. Expected groups that keep whole "
            "trials together; group by another column."
        )
    return [groups]


def _label(file: Path, table: pd.DataFrame, starts: Array, lengths: Array, wanted: str | None) -> str:
    candidates = _candidates(table, np.repeat(np.arange(len(starts)), lengths))
    label = wanted or _obvious(list(candidates))
    if label is None or label not in candidates:
        asked = "No label column was given" if label is None else f"There is no label column '{label}'"
        listed = "; ".join(f"{name} ({values})" for name, values in candidates.items()) or "none"
        raise DataError(
            f"{asked}. Expected one that is constant within each trial; {file} has: {listed}. Name one with the label "
            "option (--label)."
        )
    if table[label].isna().any():
        raise DataError(f"{int(table[label].isna().sum())} rows of {file} have no '{label}'. Expected one in each row.")
    return label


def _obvious(candidates: list[str]) -> str | None:
    usual = [name for name in _USUAL_LABELS if name in candidates]
    if usual or len(candidates) == 1:
        return (usual or candidates)[0]
    return None


def _candidates(table: pd.DataFrame, trial: Array) -> dict[str, str]:
    """Columns that could be labels, with some of their values."""
    names = [name for name in table if name not in _NO_LABELS and standard_name(str(name)) is None]
    constant = [name for name in names if table[name].groupby(trial).nunique(dropna=False).max() == 1]
    return {str(name): ", ".join(map(str, sorted(map(str, table[name].dropna().unique()))[:4])) for name in constant}


def _channels(file: Path, table: pd.DataFrame) -> list[str]:
    channels = [str(name) for name in table if standard_name(str(name)) is not None]
    if not channels:
        raise DataError(f"{file} has no column that is named as an electrode (Fp1, Cz, …). Expected one per channel.")
    text = [name for name in channels if table[name].dtype.kind not in "fiu"]
    if text:
        raise DataError(
            f"The columns {', '.join(text)} of {file} hold text. Expected microvolts, with a decimal point."
        )
    return channels


def _sfreq(file: Path, table: pd.DataFrame, lengths: Array) -> float:
    if "sfreq" in table:
        rates = table["sfreq"].unique()
        if len(rates) != 1:
            raise DataError(f"The column sfreq of {file} holds {rates[:4].tolist()}. Expected one sampling rate.")
        return float(rates[0])
    sidecar = file.parent / "dataset.json"
    if sidecar.is_file():
        return _sidecar_sfreq(sidecar)
    subjects = table["subject"].astype(str).unique()
    if all(_UCI_SUBJECT.fullmatch(subject) for subject in subjects) and (lengths == UCI_SFREQ).all():
        return UCI_SFREQ
    raise DataError(
        f"{file} has no sampling rate. Expected a column 'sfreq', or {sidecar} with "
        '{"sfreq": 256}; write one of them, or pass sfreq.'
    )


def _sidecar_sfreq(sidecar: Path) -> float:
    content: Any = foreign(sidecar, 'a JSON object with "sfreq"', lambda: json.loads(read_small_text(sidecar)))
    sfreq = content.get("sfreq") if isinstance(content, dict) else None
    if isinstance(sfreq, bool) or not isinstance(sfreq, int | float) or not sfreq > 0:
        raise DataError(f'{sidecar} has sfreq={sfreq!r}. Expected {{"sfreq": samples per second}}, e.g. 256.')
    return float(sfreq)


def _plain(column: pd.Series[Any]) -> Array:
    """Numbers as they are, everything else as words."""
    return column.to_numpy() if column.dtype.kind in "iuf" else column.to_numpy(dtype=str)


READER = Reader("tables of signals: .csv or .csv.gz with subject, trial, sample, a label and electrodes", matches, read)
