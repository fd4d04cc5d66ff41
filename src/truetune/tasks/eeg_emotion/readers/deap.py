"""DEAP's preprocessed Python files, `s01.dat` … `s32.dat`.

Koelstra et al. 2012, DEAP: A Database for Emotion Analysis using Physiological Signals, IEEE T-AFFC 3(1), 18-31.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.data.reading.formats import Reader, files_in
from truetune.data.reading.safe_pickle import load_arrays
from truetune.errors import DataError
from truetune.tasks.eeg_emotion import labels
from truetune.tasks.eeg_emotion.channels import DEAP_CHANNELS
from truetune.tasks.eeg_emotion.features import extract_all
from truetune.tasks.eeg_emotion.readers.options import ReadOptions
from truetune.tasks.eeg_emotion.signals import Recordings, cut

SFREQ = 128.0
BASELINE_SECONDS = 3
N_CHANNELS = 40
_SUBJECT = re.compile(r"s\d{2}\.dat", re.IGNORECASE)
_FOLDER = "data_preprocessed_python"
_EXPECTED = "a preprocessed DEAP file: data (40 trials, 40 channels, 8064 samples) and labels (40, 4)"


def matches(path: Path) -> bool:
    return path.suffix == ".dat" if path.is_file() else bool(_files(path))


def read(path: Path, options: ReadOptions) -> Dataset:
    """The 32 EEG channels without the 3 s of baseline, in windows, with the heads of `labels.from_ratings`.

    DEAP's files are band-passed to 4-45 Hz by their makers, so the delta features hold little.
    """
    return extract_all(_recordings(path, options), options.cache_dir)


def _recordings(path: Path, options: ReadOptions) -> Iterator[Recordings]:
    for file in _files(path):
        yield _read_file(file, options)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
    return [file for file in files_in(folder, ".dat") if _SUBJECT.fullmatch(file.name)]


def _read_file(file: Path, options: ReadOptions) -> Recordings:
    data, ratings = _arrays(file, load_arrays(file, _EXPECTED))
    trials = list(data[:, : len(DEAP_CHANNELS), round(BASELINE_SECONDS * SFREQ) :])
    signals, trial_of = cut(trials, SFREQ, options.window_seconds)
    heads = labels.from_ratings(ratings[:, 0], ratings[:, 1])
    return Recordings(
        signals=signals,
        sfreq=SFREQ,
        ch_names=DEAP_CHANNELS,
        y={name: values[trial_of] for name, values in heads.items()},
        identities={"subject": np.full(len(trial_of), file.stem), "trial": trial_of},
        label=options.label,
        kind="EEG signals (DEAP)",
        source=str(file),
    )


def _arrays(file: Path, content: Any) -> tuple[Array, Array]:
    """The signals and the ratings (valence, arousal, dominance, liking), checked."""
    if not isinstance(content, dict) or not {"data", "labels"} <= set(content):
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{file} holds {found}. Expected {_EXPECTED}.")
    data, ratings = content["data"], content["labels"]
    for name, array in (("data", data), ("labels", ratings)):
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise DataError(f"'{name}' in {file} is not an array of floats. Expected {_EXPECTED}.")
    shortest = round((BASELINE_SECONDS + 1) * SFREQ)
    if data.ndim != 3 or data.shape[1] != N_CHANNELS or data.shape[2] < shortest:
        raise DataError(f"'data' in {file} has shape {data.shape}. Expected {_EXPECTED}.")
    if ratings.ndim != 2 or len(ratings) != len(data) or ratings.shape[1] < 2:
        raise DataError(f"'labels' in {file} has shape {ratings.shape} for {len(data)} trials. Expected {_EXPECTED}.")
    return data, ratings


READER = Reader("DEAP: s01.dat … s32.dat (data_preprocessed_python)", matches, read)
