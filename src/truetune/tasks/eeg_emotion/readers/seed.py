"""SEED's `Preprocessed_EEG` and SEED-IV's `eeg_raw_data`: one `.mat` per subject and session.

Zheng & Lu 2015, IEEE TAMD 7(3), 162-175; Zheng et al. 2019, IEEE T-CYB 49(3), 1110-1122 (SEED-IV).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.data.reading.formats import Reader, files_in
from truetune.data.reading.mat import load_mat, variables
from truetune.errors import DataError
from truetune.tasks.eeg_emotion.channels import SEED_CHANNELS
from truetune.tasks.eeg_emotion.features import extract_all
from truetune.tasks.eeg_emotion.readers.options import ReadOptions
from truetune.tasks.eeg_emotion.signals import Recordings, band_pass, cut

SFREQ = 200.0
_FOLDERS = ("Preprocessed_EEG", "eeg_raw_data")
_FILE = re.compile(r"(?P<subject>\d+)_(?P<date>\d{8})\.mat")
_TRIAL = re.compile(r".*_eeg_?(?P<trial>\d+)", re.IGNORECASE)

SEED_CLASSES = {-1: "negative", 0: "neutral", 1: "positive"}
# `label.mat` of SEED, the same films in every session.
SEED_LABELS = (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)
SEED_IV_CLASSES = {0: "neutral", 1: "sad", 2: "fear", 3: "happy"}
# SEED-IV's ReadMe, by session.
SEED_IV_LABELS = {
    1: (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    2: (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    3: (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
}


@dataclass(frozen=True)
class _Session:
    """One file: a subject on one day."""

    file: Path
    subject: str
    session: int


def matches(path: Path) -> bool:
    files = _files(path)
    if path.is_file():
        return path.suffix == ".mat" and any(_TRIAL.fullmatch(name) for name in variables(path))
    return bool(files)


def read(path: Path, options: ReadOptions) -> Dataset:
    """Trials (variables `<name>_eeg1`, `<name>_eeg2`, …, each (62, n_times) at 200 Hz) in windows, with film labels.

    SEED has 15 trials a session (negative, neutral, positive, from `label.mat` where it is there); SEED-IV has 24
    (neutral, sad, fear, happy), whose order depends on the session, which is the name of the file's folder: 1, 2, 3.
    Both keep their own classes, as one plain label.
    """
    return extract_all(_recordings(path, options), options.cache_dir)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    folder = next((path / name for name in _FOLDERS if (path / name).is_dir()), path)
    inside = [*files_in(folder, ".mat"), *(f for number in "123" for f in files_in(folder / number, ".mat"))]
    return [file for file in inside if _FILE.fullmatch(file.name)]


def _recordings(path: Path, options: ReadOptions) -> Iterator[Recordings]:
    for session in _sessions(_files(path)):
        yield _read_session(session, options)


def _sessions(files: list[Path]) -> list[_Session]:
    """SEED-IV has the session in the folder's name; SEED's are the subject's files in order of dates."""
    seen: dict[str, int] = {}
    sessions = []
    for file in sorted(files, key=lambda f: _date(f)):
        named = _FILE.fullmatch(file.name)
        subject = named["subject"] if named else file.stem
        seen[subject] = seen.get(subject, 0) + 1
        number = int(file.parent.name) if file.parent.name in ("1", "2", "3") else seen[subject]
        sessions.append(_Session(file, subject, number))
    return sorted(sessions, key=lambda s: (s.subject.zfill(3), s.session))


def _date(file: Path) -> str:
    named = _FILE.fullmatch(file.name)
    return named["date"] if named else file.name


def _read_session(session: _Session, options: ReadOptions) -> Recordings:
    trials = _trials(session.file)
    numbers = sorted(trials)
    words = _labels(session, numbers)
    sfreq = options.sfreq or SFREQ
    filtered = [band_pass(trials[number], sfreq) for number in numbers]
    signals, trial_of = cut(filtered, sfreq, options.window_seconds)
    return Recordings(
        signals=signals,
        sfreq=sfreq,
        ch_names=SEED_CHANNELS,
        y=np.array(words)[trial_of],
        identities={
            "subject": np.full(len(trial_of), session.subject),
            "session": np.full(len(trial_of), session.session),
            "trial": np.array(numbers)[trial_of],
        },
        kind="EEG signals (SEED-IV)" if len(numbers) == 24 else "EEG signals (SEED)",
        source=str(session.file),
    )


def _trials(file: Path) -> dict[int, Array]:
    """The signals of each trial by its number, from 1."""
    found = {m["trial"]: m.string for m in map(_TRIAL.fullmatch, variables(file)) if m}
    if not found:
        raise DataError(
            f"{file} holds {', '.join(variables(file)[:6])}. Expected SEED's trials, e.g. djc_eeg1 … djc_eeg15 (the "
            "folder Preprocessed_EEG, not ExtractedFeatures)."
        )
    content = load_mat(file, list(found.values()))
    trials = {int(number): np.asarray(content[name]) for number, name in found.items()}
    for number, trial in trials.items():
        if trial.ndim != 2 or len(trial) != len(SEED_CHANNELS) or trial.dtype.kind not in "fi":
            raise DataError(f"Trial {number} in {file} has shape {trial.shape}. Expected (62, n_times) in microvolts.")
    return trials


def _labels(session: _Session, numbers: list[int]) -> list[str]:
    """The class of each trial, in words."""
    if numbers == list(range(1, 25)):
        if session.session not in SEED_IV_LABELS:
            raise DataError(
                f"{session.file} is session {session.session} of SEED-IV. Expected its folder to be 1, 2 or 3."
            )
        return [SEED_IV_CLASSES[label] for label in SEED_IV_LABELS[session.session]]
    if numbers != list(range(1, 16)):
        raise DataError(
            f"{session.file} holds {len(numbers)} trials ({numbers[0]} to {numbers[-1]}). Expected 15 (SEED) or 24 "
            "(SEED-IV); copy or download it again."
        )
    return [SEED_CLASSES[label] for label in _seed_labels(session.file.parent)]


def _seed_labels(folder: Path) -> tuple[int, ...]:
    file = folder / "label.mat"
    if not file.is_file():
        return SEED_LABELS
    given = np.atleast_1d(np.asarray(load_mat(file).get("label", [])))
    if given.shape != (15,) or not set(given.tolist()) <= set(SEED_CLASSES):
        raise DataError(f"{file} holds {given.tolist()}. Expected 'label': 15 numbers of -1, 0, 1.")
    return tuple(int(value) for value in given)


READER = Reader("SEED or SEED-IV: 1_20131027.mat … (Preprocessed_EEG, or eeg_raw_data/1, 2, 3)", matches, read)
