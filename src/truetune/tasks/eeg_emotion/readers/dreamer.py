"""DREAMER's one file, `DREAMER.mat`.

Katsigiannis & Ramzan 2018, DREAMER: A Database for Emotion Recognition Through EEG and ECG Signals From Wireless
Low-cost Off-the-Shelf Devices, IEEE JBHI 22(1), 98-107.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.data.reading.formats import Reader, files_in
from truetune.data.reading.mat import load_mat, variables
from truetune.errors import DataError
from truetune.tasks.eeg_emotion import labels
from truetune.tasks.eeg_emotion.channels import DREAMER_CHANNELS
from truetune.tasks.eeg_emotion.features import extract_all
from truetune.tasks.eeg_emotion.readers.options import ReadOptions
from truetune.tasks.eeg_emotion.signals import Recordings, band_pass, cut

_EXPECTED = (
    "DREAMER.Data{subject} with EEG.stimuli{film} of shape (n_times, 14), ScoreValence and ScoreArousal from 1 to 5"
)


def matches(path: Path) -> bool:
    return any("DREAMER" in variables(file) for file in _files(path))


def read(path: Path, options: ReadOptions) -> Dataset:
    """The films (not the baselines) of every subject, in windows, with the heads of `labels.from_ratings`.

    Ratings from 1 to 5 are stretched to 1 to 9, so the threshold lies above 3.
    """
    return extract_all(_recordings(_files(path)[0], options), options.cache_dir)


def _files(path: Path) -> list[Path]:
    files = files_in(path, ".mat")
    return files if path.is_file() else [file for file in files if "dreamer" in file.name.lower()]


def _recordings(file: Path, options: ReadOptions) -> Iterator[Recordings]:
    study = load_mat(file, ["DREAMER"])["DREAMER"]
    sfreq = options.sfreq or float(_field(file, study, "EEG_SamplingRate"))
    names = tuple(str(name) for name in np.atleast_1d(getattr(study, "EEG_Electrodes", DREAMER_CHANNELS)))
    for number, subject in enumerate(np.atleast_1d(_field(file, study, "Data")), start=1):
        yield _subject(f"{file}, subject {number}", number, subject, (sfreq, names), options)


def _subject(
    source: str, number: int, subject: Any, montage: tuple[float, tuple[str, ...]], options: ReadOptions
) -> Recordings:
    sfreq, names = montage
    films = [
        _film(source, film, len(names)) for film in _cells(_field(source, _field(source, subject, "EEG"), "stimuli"))
    ]
    heads = labels.from_ratings(
        *(_scores(source, subject, name, len(films)) for name in ("ScoreValence", "ScoreArousal"))
    )
    signals, film_of = cut([band_pass(film, sfreq) for film in films], sfreq, options.window_seconds)
    return Recordings(
        signals=signals,
        sfreq=sfreq,
        ch_names=names,
        y={name: values[film_of] for name, values in heads.items()},
        identities={"subject": np.full(len(film_of), f"{number:02d}"), "trial": film_of},
        label=options.label,
        kind="EEG signals (DREAMER)",
        source=source,
    )


def _film(source: str, film: Any, n_channels: int) -> Array:
    film = np.asarray(film)
    if film.ndim != 2 or film.shape[1] != n_channels or film.dtype.kind not in "fiu":
        raise DataError(f"A film of {source} has shape {film.shape}. Expected {_EXPECTED}.")
    return np.asarray(film.T)


def _scores(source: str, subject: Any, name: str, n_films: int) -> Array:
    """Ratings on DEAP's scale, shape (n_films,)."""
    scores = np.atleast_1d(np.asarray(_field(source, subject, name), dtype=np.float64))
    if len(scores) != n_films:
        raise DataError(f"{name} of {source} has {len(scores)} ratings for {n_films} films. Expected {_EXPECTED}.")
    return 2 * scores - 1


def _cells(stimuli: Any) -> list[Any]:
    """The films; a single one arrives as a plain array, without its cell."""
    stimuli = np.asarray(stimuli)
    return list(stimuli) if stimuli.dtype == object else [stimuli]


def _field(source: object, struct: Any, name: str) -> Any:
    if not hasattr(struct, name):
        raise DataError(f"{source} has no field {name}. Expected {_EXPECTED}.")
    return getattr(struct, name)


READER = Reader("DREAMER: DREAMER.mat", matches, read)
