"""EEG signals cut into rows, with who and what each row is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from truetune.data.dataset import Array, Arrays, named
from truetune.errors import DataError

LEVELS = ("subject", "session", "trial")
"""What rows of EEG belong to, coarsest first: windows of one trial lie in one session of one subject."""

WINDOW_SECONDS = 4.0
SHORTEST_SECONDS = 0.5
# Scalp EEG is 1 to 100 µV; in volts it would be a million times smaller.
_SMALLEST_MICROVOLTS = 1e-3
BAND_PASS = (0.5, 45.0)


@dataclass(frozen=True)
class Recordings:
    """Epochs of EEG of one length, one montage and one sampling rate.

    Attributes:
        signals: shape (n, n_channels, n_times), µV.
        sfreq: samples per second, Hz.
        ch_names: electrode names, one per channel.
        y: labels, shape (n,): integers, or words that become classes; or the heads valence, arousal, emotion.
        identities: who and what each row is: `subject`, `trial`, `session`; each of shape (n,).
        label: the name of the label's column or head, None for all heads or for no name.
        kind: what these data are, for the screen.
        source: the file they came from, for error messages.
        is_dummy: made up, not measured.
    """

    signals: Array
    sfreq: float
    ch_names: tuple[str, ...]
    y: Arrays
    identities: Mapping[str, Array] = field(default_factory=dict)
    label: str | None = None
    kind: str = "EEG signals"
    source: str = ""
    is_dummy: bool = False

    def __len__(self) -> int:
        return len(self.signals)

    @property
    def groups(self) -> Array | None:
        """The subject of each row, None where it is unknown."""
        return self.identities.get("subject")

    @property
    def seconds(self) -> float:
        """The length of every epoch."""
        return float(self.signals.shape[-1] / self.sfreq)

    def check(self) -> None:
        """Refuse signals that no feature can be taken from.

        Raises:
            DataError: no rows, a wrong shape, NaN, volts instead of microvolts, epochs that are too short.
        """
        where = f" in {self.source}" if self.source else ""
        self._check_shape(where)
        if not self.sfreq > 0:
            raise DataError(f"The sampling rate{where} is {self.sfreq}. Expected samples per second, e.g. 256.")
        if self.seconds < SHORTEST_SECONDS:
            raise DataError(
                f"The epochs{where} last {self.seconds:.3g} s ({self.signals.shape[-1]} samples at {self.sfreq:g} Hz). "
                f"Expected at least {SHORTEST_SECONDS} s, or the slow bands have no frequency bin; check the sampling "
                "rate and the trials' onsets and durations."
            )
        self._check_values(where)

    def _check_shape(self, where: str) -> None:
        if self.signals.ndim != 3 or 0 in self.signals.shape:
            raise DataError(
                f"The signals{where} have shape {self.signals.shape}. Expected (epochs, channels, samples), none of "
                "them 0; check that the file is complete."
            )
        if self.signals.shape[1] != len(self.ch_names):
            raise DataError(
                f"The signals{where} have {self.signals.shape[1]} channels for {len(self.ch_names)} names. Expected "
                "one name per channel."
            )
        for name, column in [*named(self.y, "labels").items(), *self.identities.items()]:
            if len(column) != len(self):
                raise DataError(f"{len(column)} {name} for {len(self)} epochs{where}. Expected one per epoch.")

    def _check_values(self, where: str) -> None:
        bad = np.asarray(~np.isfinite(self.signals).all(axis=(0, 2)))
        if bad.any():
            names = ", ".join(name for name, is_bad in zip(self.ch_names, bad, strict=True) if is_bad)
            raise DataError(
                f"The signals{where} hold NaN or infinity in {names}. Expected finite numbers; drop these channels or "
                "trials, or interpolate them."
            )
        typical = float(np.median(self.signals.std(axis=-1)))
        if typical < _SMALLEST_MICROVOLTS:
            raise DataError(
                f"The signals{where} vary by only {typical:.2g}. Expected microvolts, where EEG varies by 1 to 100; "
                "multiply volts by 1e6, and check that the recording is not flat."
            )


def levels_of(identities: Mapping[str, Array]) -> dict[str, Array] | None:
    """The identities that are levels of groups, as `Dataset(groups=…)` takes them; None where no subject is known."""
    if "subject" not in identities:
        return None
    return {name: identities[name] for name in LEVELS if name in identities}


def cut(trials: list[Array], sfreq: float, window_seconds: float | None) -> tuple[Array, Array]:
    """Cut trials into windows of equal length that do not overlap; the rest at the end of a trial is dropped.

    Args:
        trials: signals, each (n_channels, n_times), µV.
        window_seconds: None takes the windows as long as the shortest trial, but at most 4 s.

    Returns:
        The windows, shape (n, n_channels, window), float32, and the trial's index of each, shape (n,).

    Raises:
        DataError: there are no trials, or one is shorter than the window that was asked for.
    """
    if not trials:
        raise DataError("There are no trials. Expected at least one labelled trial; check the labels and the markers.")
    shortest = min(trial.shape[-1] for trial in trials)
    wanted = round((window_seconds or WINDOW_SECONDS) * sfreq)
    if window_seconds is not None and shortest < wanted:
        raise DataError(
            f"The shortest trial lasts {shortest / sfreq:.3g} s. Expected at least window_seconds={window_seconds:g}; "
            "give a shorter window, or drop that trial."
        )
    length = max(1, min(wanted, shortest))
    counts = [trial.shape[-1] // length for trial in trials]
    windows = [_windows(trial, length, count) for trial, count in zip(trials, counts, strict=True)]
    return np.concatenate(windows), np.repeat(np.arange(len(trials)), counts)


def band_pass(signal: Array, sfreq: float) -> Array:
    """Remove what no band uses (slow drifts and line noise): MNE's zero-phase FIR, 0.5–45 Hz.

    For continuous recordings and for trials of at least 10 s; a shorter one is returned as it is, since the filter
    (6.6 s long at its low edge) would be longer than the trial, and Welch removes each window's mean anyway.

    Args:
        signal: shape (n_channels, n_times).
    """
    import mne

    # NaN would spread over the whole channel; left alone, it is found and named later.
    if signal.shape[-1] < 10 * sfreq or not np.isfinite(signal).all():
        return signal
    low, high = BAND_PASS
    upper = high if high < 0.45 * sfreq else None
    signal = np.asarray(signal, dtype=np.float64)
    return np.asarray(mne.filter.filter_data(signal, sfreq, low, upper, verbose="ERROR"))


def _windows(trial: Array, length: int, count: int) -> Array:
    whole = np.asarray(trial[:, : count * length], dtype=np.float32)
    return whole.reshape(len(trial), count, length).swapaxes(0, 1)
