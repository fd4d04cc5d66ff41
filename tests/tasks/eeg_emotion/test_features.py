"""Band powers against known and independently computed values."""

import numpy as np
import pytest
from scipy.signal import welch

from truetune.errors import DataError
from truetune.tasks.eeg_emotion.channels import DEAP_CHANNELS, SEED_CHANNELS
from truetune.tasks.eeg_emotion.features import BANDS, band_powers, extract, extract_all, feature_names
from truetune.tasks.eeg_emotion.signals import Recordings

SFREQ = 128.0


def recordings(signals, ch_names=DEAP_CHANNELS, sfreq=SFREQ, **others):
    y = np.arange(len(signals)) % 2
    return Recordings(signals=signals, sfreq=sfreq, ch_names=tuple(ch_names), y=y, **others)


def noise(n=4, ch_names=DEAP_CHANNELS, seconds=4.0, sfreq=SFREQ):
    return np.random.default_rng(0).normal(0, 10, (n, len(ch_names), round(seconds * sfreq)))


def test_the_deap_montage_has_167_features_and_others_their_own():
    assert len(feature_names(DEAP_CHANNELS)) == 167
    assert len(feature_names(SEED_CHANNELS)) == 5 * 62 + 7
    assert feature_names(["Fp1", "FP2", "CZ"])[-1] == "asymmetry_Fp1_Fp2"
    assert len(feature_names(["Cz", "Pz"])) == 10


def test_old_names_and_decorated_names_are_the_same_electrodes():
    assert feature_names(["T3", "EEG C3-REF", "c4.", "T6"])[:4] == ("delta_T7", "delta_C3", "delta_C4", "delta_P8")


def test_an_electrode_twice_is_refused():
    with pytest.raises(DataError, match="T7 occur more than once"):
        feature_names(["T3", "T7"])


@pytest.mark.parametrize(
    ("frequency", "band"), [(2, "delta"), (6, "theta"), (10, "alpha"), (20, "beta"), (40, "gamma")]
)
def test_a_sinusoid_has_its_power_in_its_band(frequency, band):
    time = np.arange(512) / SFREQ
    signal = 3.0 * np.sin(2 * np.pi * frequency * time)[None, None]
    powers = dict(zip(BANDS, band_powers(signal, SFREQ)[0, :, 0], strict=True))
    assert powers[band] == pytest.approx(3.0**2 / 2, rel=0.01)
    assert sum(powers.values()) == pytest.approx(powers[band], rel=0.01)


@pytest.mark.parametrize(("seconds", "sfreq"), [(4.0, 128.0), (1.0, 256.0), (5.3, 200.0)])
def test_band_powers_equal_scipy_welch(seconds, sfreq):
    signals = noise(seconds=seconds, sfreq=sfreq)
    length = min(round(2 * sfreq), signals.shape[-1])
    frequencies, density = welch(signals, sfreq, window="hann", nperseg=length, noverlap=length // 2)
    for i, (low, high) in enumerate(BANDS.values()):
        inside = (frequencies >= low) & (frequencies < high)
        expected = density[..., inside].sum(-1) * frequencies[1]
        np.testing.assert_allclose(band_powers(signals, sfreq)[:, i], expected, rtol=1e-9)


def test_features_are_log_powers_in_the_order_of_their_names():
    signals = noise()
    dataset = extract(recordings(signals))
    assert dataset.X.shape == (4, 167)
    assert dataset.X.dtype == np.float32
    powers = np.log10(band_powers(signals, SFREQ))
    at = feature_names(DEAP_CHANNELS).index("beta_Oz")
    np.testing.assert_allclose(dataset.X[:, at], powers[:, 3, DEAP_CHANNELS.index("Oz")], rtol=1e-5)


def test_the_asymmetry_is_right_minus_left():
    time = np.arange(512) / SFREQ
    alpha = np.sin(2 * np.pi * 10 * time)
    signals = np.stack([10 * alpha, 100 * alpha])[None]
    dataset = extract(recordings(np.repeat(signals, 2, axis=0), ["F3", "F4"]))
    assert dataset.X[0, -1] == pytest.approx(2.0, abs=1e-4)  # amplitude × 10 is power × 100


def test_a_constant_added_to_a_channel_changes_nothing():
    signals = noise()
    np.testing.assert_allclose(extract(recordings(signals + 4000)).X, extract(recordings(signals)).X, atol=1e-4)


def test_one_flat_channel_gives_finite_features():
    signals = noise()
    signals[:, 3] = 0
    assert np.isfinite(extract(recordings(signals)).X).all()


def test_the_same_channels_in_another_order_give_the_same_columns():
    signals = noise()
    order = np.random.default_rng(1).permutation(32)
    shuffled = recordings(signals[:, order], [DEAP_CHANNELS[i].upper() for i in order])
    both = extract_all([recordings(signals), shuffled])
    np.testing.assert_allclose(both.X[:4], both.X[4:], atol=1e-5)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (recordings(noise()[:, :31], DEAP_CHANNELS[:31], source="b"), "b has other channels than"),
        (recordings(noise(seconds=2), source="b"), "epochs of b last 2 s"),
    ],
)
def test_recordings_that_do_not_compare_are_refused(second, message):
    with pytest.raises(DataError, match=message):
        extract_all([recordings(noise()), second])


@pytest.mark.parametrize(
    ("signals", "sfreq", "message"),
    [
        (noise() * 1e-6, SFREQ, "multiply volts by 1e6"),
        (np.zeros((4, 32, 512)), SFREQ, "flat"),
        (np.full((4, 32, 512), np.nan), SFREQ, "NaN or infinity in Fp1, AF3"),
        (noise(), 64.0, "at least 90 Hz"),
        (noise(seconds=0.25), SFREQ, "at least 0.5 s"),
        (noise()[:0], SFREQ, "none of them 0"),
        (noise()[:, :30], SFREQ, "30 channels for 32 names"),
        (noise(), 0.0, "sampling rate"),
    ],
)
def test_signals_that_cannot_be_used_are_refused(signals, sfreq, message):
    with pytest.raises(DataError, match=message):
        extract(recordings(signals, sfreq=sfreq))


def test_columns_of_another_length_are_refused():
    with pytest.raises(DataError, match="3 trial for 4 epochs"):
        extract(recordings(noise(), identities={"trial": np.arange(3)}))
