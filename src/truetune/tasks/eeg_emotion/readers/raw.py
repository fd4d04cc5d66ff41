"""Raw recordings that MNE reads (EDF, BDF, FIF, EEGLAB, BrainVision), labelled by a table or by their annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.data.reading.bounds import check_file, check_gzip, check_mat
from truetune.data.reading.csv_files import read_csv
from truetune.data.reading.formats import Reader, files_in, foreign
from truetune.errors import DataError
from truetune.tasks.eeg_emotion.channels import standard_name
from truetune.tasks.eeg_emotion.features import extract_all
from truetune.tasks.eeg_emotion.readers.options import ReadOptions
from truetune.tasks.eeg_emotion.signals import WINDOW_SECONDS, Recordings, band_pass, cut

SUFFIXES = (".edf", ".bdf", ".fif", ".fif.gz", ".set", ".vhdr")
LABELS_FILE = "labels.csv"
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
# Marks that programs set by themselves: bad stretches, joints, the start of a recording.
_NO_LABEL = re.compile(r"^(bad|edge|boundary|new segment|comment)", re.IGNORECASE)
# How what a file unpacks to is bounded: EEGLAB's files are MATLAB's.
_BOUNDS = {".gz": check_gzip, ".set": check_mat}


@dataclass(frozen=True)
class _Event:
    """One labelled stretch of one file, in seconds from its start."""

    file: Path
    onset: float
    duration: float
    label: str
    subject: str
    trial: str
    session: str | None = None


def matches(path: Path) -> bool:
    return bool(files_in(path, *SUFFIXES, recursive=True))


def read(path: Path, options: ReadOptions) -> Dataset:
    """The labelled stretches of each recording, band-passed to 0.5-45 Hz, in windows.

    Labels come from `labels.csv` beside the recordings, with the columns file, label and if need be onset and duration
    (seconds; without them the whole file), subject, trial and session. Without that file they come from the files'
    annotations: each description is a class, and one without a duration lasts to the next one or to the end.
    A subject who is not named is the file's `sub-…`, or else the file's name without its suffix.

    Only channels with an electrode's name are used (EOG, ECG and triggers are left out).
    """
    files = files_in(path, *SUFFIXES, recursive=True)
    folder = path if path.is_dir() else path.parent
    table = folder / LABELS_FILE
    events = _from_table(table, files, options.label) if table.is_file() else _from_annotations(files)
    shortest = min(event.duration for event in events)
    if options.window_seconds is None and shortest > 0:
        options = replace(options, window_seconds=min(WINDOW_SECONDS, shortest))
    return extract_all(_recordings(events, options), options.cache_dir)


def _recordings(events: list[_Event], options: ReadOptions) -> Iterator[Recordings]:
    for file in dict.fromkeys(event.file for event in events):
        yield _read_file(file, [event for event in events if event.file == file], options)


def _read_file(file: Path, events: list[_Event], options: ReadOptions) -> Recordings:
    raw = _open(file)
    sfreq = float(raw.info["sfreq"])
    names = [name for name in raw.ch_names if standard_name(name) is not None]
    if not names:
        raise DataError(
            f"{file} has the channels {', '.join(raw.ch_names[:8])}. Expected names of electrodes (Fp1, Cz, …); rename "
            "them to the 10-20 system."
        )
    volts = foreign(file, "a complete recording", lambda: raw.get_data(picks=names))
    signal = band_pass(1e6 * volts, sfreq)
    signals, event_of = cut([_stretch(signal, sfreq, event) for event in events], sfreq, _rounded(options, sfreq))
    rows = [events[i] for i in event_of]
    return Recordings(
        signals=signals,
        sfreq=sfreq,
        ch_names=tuple(names),
        y=np.array([event.label for event in rows]),
        identities=_identities(rows),
        label=options.label,
        kind="EEG signals (raw recordings)",
        source=str(file),
    )


def _identities(rows: list[_Event]) -> dict[str, Array]:
    known = {"subject": np.array([row.subject for row in rows]), "trial": np.array([row.trial for row in rows])}
    if rows[0].session is not None:
        known["session"] = np.array([str(row.session) for row in rows])
    return known


def _rounded(options: ReadOptions, sfreq: float) -> float | None:
    """Whole samples: an event of 2 s at 250.1 Hz must not be one sample too short for a window of 2 s."""
    if options.window_seconds is None:
        return None
    return int(options.window_seconds * sfreq + 1e-6) / sfreq


def _stretch(signal: Array, sfreq: float, event: _Event) -> Array:
    start = round(event.onset * sfreq)
    stop = start + int(event.duration * sfreq + 1e-6)
    if start < 0 or stop > signal.shape[1] or stop <= start:
        raise DataError(
            f"The trial at {event.onset:g} s of {event.file} lasts {event.duration:g} s, but the recording lasts "
            f"{signal.shape[1] / sfreq:g} s. Expected it to lie inside; correct its onset and duration (in seconds)."
        )
    return signal[:, start:stop]


def _open(file: Path) -> Any:
    import mne

    def read() -> Any:
        _BOUNDS.get(file.suffix.lower(), check_file)(file)
        return mne.io.read_raw(file, preload=False, verbose="ERROR")

    return foreign(file, "a recording that MNE reads", read)


def _from_annotations(files: list[Path]) -> list[_Event]:
    events = [event for file in files for event in _annotated(file)]
    if not events:
        raise DataError(
            f"The recordings ({files[0].name}{', …' if len(files) > 1 else ''}) have no annotations, and there is no "
            f"{LABELS_FILE} beside them. Expected {files[0].parent / LABELS_FILE} with the columns file, onset, "
            "duration, label (and subject, trial)."
        )
    return events


def _annotated(file: Path) -> Iterator[_Event]:
    raw = _open(file)
    marks = [m for m in raw.annotations if not _NO_LABEL.match(m["description"])]
    start = raw.first_time if raw.annotations.orig_time is not None else 0.0
    onsets = [float(mark["onset"]) - start for mark in marks]
    end = raw.n_times / raw.info["sfreq"]
    for number, (mark, onset, following) in enumerate(zip(marks, onsets, [*onsets[1:], end], strict=False)):
        duration = float(mark["duration"]) or following - onset
        yield _Event(file, onset, duration, str(mark["description"]), _subject(file), str(number))


def _from_table(file: Path, recordings: list[Path], label: str | None) -> list[_Event]:
    table = read_csv(file)
    label = label if label is not None and label in table else "label"
    missing = [name for name in ("file", label) if name not in table]
    if missing:
        raise DataError(
            f"{file} has no column {', '.join(missing)}; its columns are {', '.join(map(str, table.columns))}. "
            "Expected file, onset, duration, label (and subject, trial, session)."
        )
    empty = [name for name in table if table[name].isna().any()]
    if empty:
        raise DataError(f"{file} has empty cells in {', '.join(map(str, empty))}. Expected a value in every row.")
    return [_event(file, row, recordings, label) for row in table.to_dict("records")]


def _event(table: Path, row: dict[Any, Any], recordings: list[Path], label: str) -> _Event:
    name = str(row["file"])
    found = [f for f in recordings if f == table.parent / name or f.name == name]
    if len(found) != 1:
        raise DataError(
            f"{table} names the file '{name}', which exists {len(found)} times. Expected the name of one recording, "
            f"relative to {table.parent}."
        )
    onset = _seconds(table, row.get("onset", 0.0), "onset")
    whole = "duration" not in row
    return _Event(
        file=found[0],
        onset=onset,
        duration=_whole_duration(found[0]) - onset if whole else _seconds(table, row["duration"], "duration"),
        label=str(row[label]),
        subject=str(row.get("subject", _subject(found[0]))),
        trial=str(row.get("trial", f"{onset:g}")),
        session=str(row["session"]) if "session" in row else None,
    )


def _seconds(table: Path, value: Any, name: str) -> float:
    try:
        seconds = float(value)
    except ValueError as error:
        raise DataError(f"{table} has {name} {value!r}. Expected seconds, e.g. 12.5.") from error
    if seconds < 0 or (name == "duration" and seconds == 0):
        raise DataError(f"{table} has {name} {seconds:g}. Expected seconds from the start of the recording.")
    return seconds


def _whole_duration(file: Path) -> float:
    raw = _open(file)
    return float(raw.n_times / raw.info["sfreq"])


def _subject(file: Path) -> str:
    named = _SUBJECT.search(file.name) or _SUBJECT.search(file.parent.name)
    return named[0] if named else file.name.split(".")[0]


READER = Reader("raw recordings: .edf, .bdf, .fif, .set or .vhdr, with labels.csv or annotations", matches, read)
