"""Synthetic EEG-like signals, for trying things out without data; labelled as such wherever they are used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truetune.data.dataset import Array
from truetune.tasks.eeg_emotion.channels import DEAP_CHANNELS, positions, standard_names
from truetune.tasks.eeg_emotion.features import BANDS
from truetune.tasks.eeg_emotion.labels import CLASS_NAMES, VALENCE, three_heads
from truetune.tasks.eeg_emotion.signals import Recordings

# Change of log10 band power per emotion, over the whole head: arousal lowers alpha and raises beta and gamma,
# relaxation raises alpha, concentration raises theta.
_CLASS_EFFECTS = {
    "neutral": (0.00, 0.00, 0.00, 0.00, 0.00),
    "happy": (-0.04, 0.00, -0.12, 0.10, 0.12),
    "sad": (0.14, 0.08, 0.04, -0.08, -0.08),
    "relaxed": (0.00, 0.06, 0.24, -0.08, -0.10),
    "focused": (-0.06, 0.20, -0.14, 0.12, 0.10),
}
# Pleasant states: less alpha on the left than on the right, in front (see `features.extract`).
_ASYMMETRY = 0.12
_SUBJECT_SPREAD = 0.15
_TRIAL_SPREAD = 0.09
_CHANNEL_SPREAD = 0.10
_TYPICAL_MICROVOLTS = 10.0


def dummy_recordings(
    seed: int = 0,
    *,
    subjects: int = 20,
    trials_per_class: int = 12,
    sfreq: float = 128.0,
    seconds: float = 3.0,
    ch_names: Sequence[str] = DEAP_CHANNELS,
) -> Recordings:
    """Trials of five emotions: 1/f noise with a different spectrum per emotion, subject, trial and channel.

    What is known of emotion in EEG is built in weakly: frontal alpha asymmetry with valence, alpha and beta/gamma power
    with arousal, theta with concentration; and offsets per subject that are larger than these effects, so that unseen
    subjects are harder than unseen trials. A logistic regression finds about 58 % of the emotions of unseen
    subjects and 69 % of unseen trials; chance is 20 %.

    Returns:
        subjects × 5 × trials_per_class epochs of `seconds`, in a random order within each subject, µV.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, 0xEE6]))
    places = positions(ch_names)
    emotion = np.concatenate(
        [generator.permutation(np.repeat(np.arange(5), trials_per_class)) for _ in range(subjects)]
    )
    subject = np.repeat(np.arange(subjects), 5 * trials_per_class)
    gains = _log_gains(generator, emotion, subject, places)
    signals = _noise(generator, gains, sfreq, round(seconds * sfreq), _spread(places))
    return Recordings(
        signals=signals,
        sfreq=sfreq,
        ch_names=standard_names(ch_names),
        y=three_heads(emotion),
        identities={
            "subject": np.array([f"dummy{number:02d}" for number in subject]),
            "trial": np.tile(np.arange(5 * trials_per_class), subjects),
        },
        kind="dummy EEG signals",
        source="dummy data",
        is_dummy=True,
    )


def _log_gains(generator: np.random.Generator, emotion: Array, subject: Array, places: Array) -> Array:
    """log10 of power relative to 1/f, shape (n, n_bands, n_channels)."""
    n, channels, bands = len(emotion), len(places), len(BANDS)
    effects = np.array([_CLASS_EFFECTS[name] for name in CLASS_NAMES])[emotion][:, :, None]
    of_subject = generator.normal(0, _SUBJECT_SPREAD, (subject.max() + 1, bands, 1))
    of_subject = of_subject + generator.normal(0, _CHANNEL_SPREAD, (subject.max() + 1, bands, channels))
    of_trial = generator.normal(0, _TRIAL_SPREAD, (n, bands, 1))
    gains = effects + of_subject[subject] + of_trial
    gains[:, list(BANDS).index("alpha")] += _alpha_lateralisation(emotion, places)
    return np.asarray(gains)


def _alpha_lateralisation(emotion: Array, places: Array) -> Array:
    """Left minus, right plus, in front, for pleasant states and the reverse for unpleasant ones; (n, n_channels)."""
    x, y = places[:, 0], places[:, 1]
    side = np.where(np.abs(x) < 0.01, 0.0, np.sign(x)) * (y > -0.03)
    pleasant = np.where(np.array(VALENCE)[emotion] == 1, 1.0, -1.0)
    return np.asarray(_ASYMMETRY / 2 * pleasant[:, None] * side)


def _noise(generator: np.random.Generator, gains: Array, sfreq: float, n_times: int, spread: Array) -> Array:
    """Noise with the given spectrum, mixed between neighbouring electrodes; (n, n_channels, n_times) float32."""
    frequencies = np.fft.rfftfreq(n_times, 1 / sfreq)
    band_of = np.digitize(frequencies, [low for low, _ in list(BANDS.values())[1:]])
    pink = 1 / np.sqrt(np.maximum(frequencies, 0.5))
    pink[0] = 0
    signals = np.empty((len(gains), gains.shape[2], n_times), dtype=np.float32)
    for i, gain in enumerate(gains):
        amplitude = 10 ** (gain[band_of] / 2) * pink[:, None]
        phases = generator.normal(size=(2, *amplitude.shape))
        waves = np.fft.irfft((phases[0] + 1j * phases[1]) * amplitude, n=n_times, axis=0)
        signals[i] = spread @ waves.T
    return np.asarray(signals * (_TYPICAL_MICROVOLTS / signals.std()), dtype=np.float32)


def _spread(places: Array) -> Array:
    """How much of each electrode's activity its neighbours see: volume conduction, as a Gaussian of 3 cm."""
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    kernel = np.exp(-0.5 * (distance / 0.03) ** 2)
    return np.asarray(kernel / np.linalg.norm(kernel, axis=1, keepdims=True))
