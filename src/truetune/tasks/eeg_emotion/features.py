"""Band powers and asymmetries: from EEG signals to the rows that the model sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from truetune.data.dataset import Array, Arrays, Dataset
from truetune.data.reading import cache
from truetune.errors import DataError
from truetune.tasks.eeg_emotion import labels
from truetune.tasks.eeg_emotion.channels import standard_names
from truetune.tasks.eeg_emotion.signals import Recordings, levels_of

# Hz; a band holds its lower edge and not its upper one.
BANDS: Mapping[str, tuple[float, float]] = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
}
# (left, right) electrodes.
ASYMMETRY_PAIRS = (
    *(("Fp1", "Fp2"), ("AF3", "AF4"), ("F3", "F4"), ("F7", "F8")),
    *(("FC5", "FC6"), ("FC1", "FC2"), ("C3", "C4")),
)
ASYMMETRY_BAND = "alpha"
WELCH_SECONDS = 2.0
WELCH_OVERLAP = 0.5
# A channel that recorded nothing has no logarithm; 1e-6 µV² is far below any amplifier's noise.
POWER_FLOOR = 1e-6

# Raise it when the same signals would give other features, so that no cache answers with old ones.
VERSION = 1
SETTINGS = f"v{VERSION} {dict(BANDS)} {ASYMMETRY_PAIRS} {ASYMMETRY_BAND} {WELCH_SECONDS} {WELCH_OVERLAP} {POWER_FLOOR}"


def feature_names(ch_names: Sequence[str]) -> tuple[str, ...]:
    """Names of the features in order: every channel's delta, then theta, …, then the asymmetries.

    For the 32 channels of DEAP 5 × 32 + 7 = 167; of another montage only the pairs whose two electrodes it has.
    """
    channels = standard_names(ch_names)
    powers = [f"{band}_{channel}" for band in BANDS for channel in channels]
    return (*powers, *(f"asymmetry_{left}_{right}" for left, right in _pairs(channels)))


def extract(recordings: Recordings, cache_dir: Path | None = None) -> Dataset:
    """The features of every epoch, and its labels as integers.

    Args:
        recordings: signals in µV.
        cache_dir: where features are kept by content; None keeps none.

    Returns:
        X of shape (n, n_features), float32: log10 of band power in µV² (`band_powers`), and for each pair of
        electrodes log10 alpha power right minus left, so positive where the left side is the more active one (alpha
        falls with activity; Coan & Allen 2004, Biological Psychology 67, 7-49).

    Raises:
        DataError: signals or labels that cannot be used, or a sampling rate below 90 Hz.
    """
    return extract_all([recordings], cache_dir)


def extract_all(parts: Iterable[Recordings], cache_dir: Path | None = None) -> Dataset:
    """One dataset of several recordings; see `extract`. Only one recording's signals are in memory at a time.

    Raises:
        DataError: no recordings, or recordings with other channels or epochs of another length than the first.
    """
    rows: list[Array] = []
    read: list[Recordings] = []
    seconds: list[float] = []
    for part in parts:
        features = _features(part, cache_dir)
        read.append(replace(part, signals=part.signals[:, :, :0]))
        seconds.append(part.seconds)
        _check_same_seconds(seconds, read)
        rows.append(features[:, _columns(part, read[0])])
    return _dataset(rows, read)


def band_powers(signals: Array, sfreq: float) -> Array:
    """Power of each band and channel in µV², shape (n, n_bands, n_channels).

    Welch's method through MNE: Hann windows of 2 s (or the whole epoch if that is shorter), half overlapping, each
    window's mean removed; the density is summed over the band's bins.

    Args:
        signals: shape (n, n_channels, n_times), µV.

    Raises:
        DataError: gamma lies above half the sampling rate.
    """
    from mne.time_frequency import psd_array_welch

    highest = max(high for _, high in BANDS.values())
    if sfreq < 2 * highest:
        raise DataError(
            f"The sampling rate is {sfreq:g} Hz. Expected at least {2 * highest:g} Hz: the gamma band ends at "
            f"{highest:g} Hz, and a recording holds frequencies up to half its rate. Use the recording before it was "
            "downsampled."
        )
    segments = _segments(signals, round(WELCH_SECONDS * sfreq))
    n, n_segments, n_channels, length = segments.shape
    # One long row per channel whose segments MNE takes in turn: it goes through rows one by one in Python, and a row
    # per epoch and channel takes six times as long for the same numbers.
    density, frequencies = psd_array_welch(
        segments.transpose(2, 0, 1, 3).reshape(n_channels, -1),
        sfreq,
        fmin=0,
        fmax=highest,
        n_fft=length,
        n_per_seg=length,
        n_overlap=0,
        average=None,
        window="hann",
        remove_dc=True,
        verbose="ERROR",
    )
    density = density.reshape(n_channels, -1, n, n_segments).mean(axis=-1).transpose(2, 0, 1)
    return np.stack([_power(density, frequencies, band) for band in BANDS.values()], axis=1)


def _segments(signals: Array, length: int) -> Array:
    """Welch's half overlapping windows, shape (n, n_segments, n_channels, length), float64."""
    length = min(length, signals.shape[-1])
    step = length - int(length * WELCH_OVERLAP)
    starts = range(0, signals.shape[-1] - length + 1, step)
    return np.stack([signals[:, :, start : start + length] for start in starts], axis=1).astype(np.float64)


def _features(recordings: Recordings, cache_dir: Path | None) -> Array:
    recordings.check()
    if cache_dir is None:
        return _compute(recordings)
    key = cache.content_key(recordings.signals, SETTINGS, float(recordings.sfreq), tuple(recordings.ch_names))
    shape = (len(recordings), len(feature_names(recordings.ch_names)))
    return cache.remember(cache_dir, key, shape, lambda: _compute(recordings))


def _compute(recordings: Recordings) -> Array:
    channels = standard_names(recordings.ch_names)
    powers = np.concatenate([band_powers(block, recordings.sfreq) for block in _blocks(recordings.signals)])
    logs = np.log10(np.maximum(powers, POWER_FLOOR))
    alpha = logs[:, list(BANDS).index(ASYMMETRY_BAND)]
    pairs = _pairs(channels)
    left, right = ([channels.index(pair[side]) for pair in pairs] for side in (0, 1))
    asymmetry = alpha[:, right] - alpha[:, left]
    return np.concatenate([logs.reshape(len(logs), -1), asymmetry], axis=1).astype(np.float32)


def _blocks(signals: Array, size: int = 256) -> Iterator[Array]:
    """A few hundred epochs at a time: MNE works in float64, twice the size of what was loaded."""
    for start in range(0, len(signals), size):
        yield signals[start : start + size]


def _power(density: Array, frequencies: Array, band: tuple[float, float]) -> Array:
    low, high = band
    inside = (frequencies >= low) & (frequencies < high)
    width = frequencies[1] - frequencies[0]
    return np.asarray(density[..., inside].sum(axis=-1) * width)


def _pairs(channels: Sequence[str]) -> list[tuple[str, str]]:
    return [pair for pair in ASYMMETRY_PAIRS if set(pair) <= set(channels)]


def _columns(part: Recordings, first: Recordings) -> list[int]:
    """Where the first recording's features stand in this one's: files may list the same channels in another order."""
    wanted, given = feature_names(first.ch_names), feature_names(part.ch_names)
    if set(wanted) != set(given):
        ours, theirs = set(standard_names(first.ch_names)), set(standard_names(part.ch_names))
        raise DataError(
            f"{part.source} has other channels than {first.source}: without {', '.join(sorted(ours - theirs)) or '-'}, "
            f"with {', '.join(sorted(theirs - ours)) or '-'} in addition. Expected the same channels in every file; "
            "drop those that are not in all of them."
        )
    return [given.index(name) for name in wanted]


def _check_same_seconds(seconds: list[float], read: list[Recordings]) -> None:
    if abs(seconds[-1] - seconds[0]) > 0.01 * seconds[0]:
        raise DataError(
            f"The epochs of {read[-1].source} last {seconds[-1]:.3g} s, those of {read[0].source} {seconds[0]:.3g} s. "
            "Expected one length, or the features would not compare; give the window's length in seconds (at most the "
            "shortest trial)."
        )


def _dataset(rows: list[Array], parts: list[Recordings]) -> Dataset:
    if not parts:
        raise DataError("There are no recordings. Expected at least one; check the folder.")
    first = parts[0]
    encoded = labels.encode(_join([part.y for part in parts]), first.label)
    shared = [name for name in first.identities if all(name in part.identities for part in parts)]
    identities = {name: np.concatenate([part.identities[name] for part in parts]) for name in shared}
    return Dataset(
        X=np.concatenate(rows),
        y=encoded.y,
        groups=levels_of(identities),
        class_names=encoded.class_names,
        main_output=encoded.main_output,
        identities=identities,
        kind=first.kind,
        is_dummy=first.is_dummy,
    )


def _join(columns: list[Arrays]) -> Arrays:
    first = columns[0]
    if isinstance(first, Mapping):
        return {head: np.concatenate([c[head] for c in columns if isinstance(c, Mapping)]) for head in first}
    return np.concatenate([np.asarray(column) for column in columns])
