"""Features kept by content."""

import hashlib
import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from truetune.data.reading import cache
from truetune.tasks.eeg_emotion import features
from truetune.tasks.eeg_emotion.features import extract
from truetune.tasks.eeg_emotion.signals import Recordings


@pytest.fixture
def epochs():
    signals = np.random.default_rng(0).normal(0, 10, (4, 2, 256)).astype(np.float32)
    return Recordings(signals=signals, sfreq=128.0, ch_names=("F3", "F4"), y=np.array([0, 1, 0, 1]))


@pytest.fixture
def computations(monkeypatch):
    """How often features were really computed."""
    calls = []
    compute = features._compute
    monkeypatch.setattr(features, "_compute", lambda recordings: calls.append(1) or compute(recordings))
    return calls


def test_the_second_time_nothing_is_computed(epochs, tmp_path, computations):
    first, second = extract(epochs, tmp_path), extract(epochs, tmp_path)
    np.testing.assert_array_equal(first.X, second.X)
    assert len(computations) == 1


def test_one_sample_more_or_less_is_other_content(epochs, tmp_path, computations):
    extract(epochs, tmp_path)
    epochs.signals[0, 0, 0] += 1e-3
    extract(epochs, tmp_path)
    assert len(computations) == 2


def test_the_key_depends_on_everything_that_features_depend_on(epochs):
    keys = {key_of(epochs), key_of(replace(epochs, sfreq=129.0)), key_of(replace(epochs, ch_names=("F4", "F3")))}
    assert len(keys) == 3


def key_of(epochs):
    with tempfile.TemporaryDirectory() as folder:
        extract(epochs, Path(folder))
        (file,) = Path(folder).iterdir()
    return file.stem


def test_a_change_of_the_features_is_another_key(epochs, monkeypatch):
    before = key_of(epochs)
    monkeypatch.setattr(features, "SETTINGS", "v2")
    assert key_of(epochs) != before


def test_features_that_were_kept_before_the_cache_moved_are_still_found(epochs):
    """The key of these signals as truetune 0.1 made it."""
    epochs.signals[:] = 1.0
    arguments = (features.SETTINGS, 128.0, ("F3", "F4"))
    key = hashlib.sha256(repr((*arguments, epochs.signals.shape, epochs.signals.dtype.str)).encode())
    key.update(epochs.signals.tobytes())
    assert cache.content_key(epochs.signals, *arguments) == key.hexdigest()[:32]


@pytest.mark.parametrize("damage", ["empty", "truncated", "other array", "nan", "text"])
def test_a_damaged_file_is_computed_again_and_replaced(epochs, tmp_path, computations, damage, caplog):
    expected = extract(epochs, tmp_path).X
    (file,) = tmp_path.iterdir()
    key = file.stem.removeprefix("features-")
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-40])
    elif damage == "text":
        file.write_text("not an archive")
    else:
        X = np.full((4, 11), np.nan, np.float32) if damage == "nan" else np.zeros((3, 3), np.float32)
        np.savez(file, X=X, key=np.array(key))
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(extract(epochs, tmp_path).X, expected)
    assert "computed again" in caplog.text
    np.testing.assert_array_equal(extract(epochs, tmp_path).X, expected)
    assert len(computations) == 2


def test_a_pickle_in_the_cache_is_not_loaded(epochs, tmp_path):
    extract(epochs, tmp_path)
    (file,) = tmp_path.iterdir()
    np.savez(file, X=np.array([object()] * 4, dtype=object), key=np.array("x"))
    assert extract(epochs, tmp_path).X.shape == (4, 11)


def test_a_folder_that_cannot_be_written_costs_time_only(epochs, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert extract(epochs, blocked / "cache").X.shape == (4, 11)
    assert "could not be kept" in caplog.text


def test_nothing_half_written_is_left(epochs, tmp_path):
    extract(epochs, tmp_path)
    assert [file.suffix for file in tmp_path.iterdir()] == [".npz"]
