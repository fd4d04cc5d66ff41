"""Dummy signals: EEG-like, reproducible, learnable, and said to be dummy."""

import time

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from truetune.tasks.eeg_emotion.features import band_powers, extract, feature_names
from truetune.tasks.eeg_emotion.synthetic import dummy_recordings


def test_they_say_that_they_are_dummy():
    dataset = extract(dummy_recordings(subjects=2, trials_per_class=2))
    assert dataset.is_dummy
    assert dataset.kind == "dummy EEG signals"
    dataset.check()


def test_a_seed_repeats_them_and_another_does_not():
    first, again, other = (dummy_recordings(seed, subjects=2, trials_per_class=1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.signals, again.signals)
    assert not np.allclose(first.signals, other.signals)


def test_every_subject_has_every_emotion_equally_often():
    recordings = dummy_recordings(subjects=3, trials_per_class=2)
    for subject in np.unique(recordings.groups):
        counts = np.bincount(recordings.y["emotion"][recordings.groups == subject])
        assert counts.tolist() == [2] * 5


def test_the_spectrum_falls_and_the_size_is_that_of_eeg():
    recordings = dummy_recordings(subjects=4, trials_per_class=2)
    power = band_powers(recordings.signals, recordings.sfreq).mean(axis=(0, 2))
    assert power[0] > power[1] > power[4]
    assert 5 < recordings.signals.std() < 50


def test_pleasant_states_have_less_alpha_on_the_left():
    dataset = extract(dummy_recordings(subjects=6, trials_per_class=6))
    asymmetry = dataset.X[:, feature_names_index("asymmetry_F3_F4")]
    assert asymmetry[dataset.y["valence"] == 1].mean() > asymmetry[dataset.y["valence"] == 0].mean()


def feature_names_index(name):
    from truetune.tasks.eeg_emotion.channels import DEAP_CHANNELS

    return feature_names(DEAP_CHANNELS).index(name)


def test_they_are_made_quickly_and_learnable_but_not_trivially():
    started = time.perf_counter()
    dataset = extract(dummy_recordings())
    assert time.perf_counter() - started < 15  # about 3 s on a free machine
    assert dataset.X.shape == (1200, 167)
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=100))
    emotion = dataset.y["emotion"]
    unseen_subjects = cross_val_score(model, dataset.X, emotion, groups=dataset.groups, cv=GroupKFold(4)).mean()
    unseen_rows = cross_val_score(model, dataset.X, emotion, cv=KFold(4, shuffle=True, random_state=0)).mean()
    assert 0.5 < unseen_subjects < 0.8
    assert unseen_rows > unseen_subjects + 0.03
