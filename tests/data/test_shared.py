"""What workers load is what was saved, without pickle, and mapped rather than read."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.shared import load_parts, save_parts
from truetune.errors import StorageError


def test_single_arrays(tmp_path):
    train = Dataset(np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 0, 1, 0]), class_names=("a", "b"))
    validation = train.take(np.array([1, 2]))
    save_parts(tmp_path / "data", train, validation)
    found_train, found_validation = load_parts(tmp_path / "data")
    assert isinstance(found_train.X, np.memmap)
    assert (found_train.X == train.X).all()
    assert (found_validation.y == validation.y).all()
    assert found_train.class_names == ("a", "b")


def test_several_inputs_and_outputs(tmp_path):
    X = {"eeg": np.zeros((4, 2, 3)), "age/years": np.arange(4)}
    y = {"valence": np.arange(4) % 2, "emotion": np.arange(4)}
    train = Dataset(X, y, main_output="valence")
    save_parts(tmp_path, train, train)
    found, _ = load_parts(tmp_path)
    assert list(found.X) == ["eeg", "age/years"]
    assert found.X["eeg"].shape == (4, 2, 3)
    assert (found.labels == y["valence"]).all()


def test_sliced_arrays_are_saved_as_they_read(tmp_path):
    train = Dataset(np.arange(24).reshape(4, 6)[:, ::2], np.arange(4))
    save_parts(tmp_path, train, train)
    assert (load_parts(tmp_path)[0].X == train.X).all()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    train = Dataset(np.zeros((2, 1)), np.arange(2))
    with pytest.raises(StorageError, match=r"cannot be written"):
        save_parts(tmp_path / "file" / "data", train, train)
