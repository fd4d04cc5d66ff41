"""What workers load is what was saved, without pickle, and mapped rather than read."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.shared import load_development, save_development
from truetune.errors import StorageError


def test_single_arrays(tmp_path):
    rows = Dataset(
        np.random.default_rng(0).normal(size=(5, 3)),
        np.array([0, 1, 0, 1, 0]),
        groups=np.array(["s1", "s2", "s10", "s1", "s2"], dtype=object),
        class_names=("a", "b"),
        parts=np.array(["train", "train", "validation", "train", "train"]),
    )
    save_development(tmp_path / "data", rows)
    found = load_development(tmp_path / "data")
    assert isinstance(found.X, np.memmap)
    assert (found.X == rows.X).all()
    assert (found.y == rows.y).all()
    assert found.groups.tolist() == rows.groups.tolist()
    assert found.parts.tolist() == rows.parts.tolist()
    assert found.class_names == ("a", "b")


def test_several_inputs_and_outputs(tmp_path):
    X = {"eeg": np.zeros((4, 2, 3)), "age/years": np.arange(4)}
    y = {"valence": np.arange(4) % 2, "emotion": np.arange(4)}
    save_development(tmp_path, Dataset(X, y, main_output="valence"))
    found = load_development(tmp_path)
    assert list(found.X) == ["eeg", "age/years"]
    assert found.X["eeg"].shape == (4, 2, 3)
    assert (found.labels == y["valence"]).all()
    assert found.groups is None


def test_weights_of_one_and_of_several_outputs(tmp_path):
    weights = np.array([1.0, 0.5, 0.0, 2.0])
    save_development(tmp_path / "one", Dataset(np.zeros((4, 2)), np.arange(4) % 2, sample_weight=weights))
    found = load_development(tmp_path / "one")
    assert found.sample_weight.tolist() == weights.tolist()
    y = {"a": np.arange(4), "b": np.arange(4) % 2}
    save_development(tmp_path / "two", Dataset(np.zeros((4, 2)), y, sample_weight={"a": weights, "b": weights[::-1]}))
    found = load_development(tmp_path / "two")
    assert {name: column.tolist() for name, column in found.sample_weight.items()} == {
        "a": weights.tolist(),
        "b": weights[::-1].tolist(),
    }
    save_development(tmp_path / "none", Dataset(np.zeros((4, 2)), y))
    assert load_development(tmp_path / "none").sample_weight is None


def test_sliced_arrays_are_saved_as_they_read(tmp_path):
    rows = Dataset(np.arange(24).reshape(4, 6)[:, ::2], np.arange(4))
    save_development(tmp_path, rows)
    assert (load_development(tmp_path).X == rows.X).all()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be written"):
        save_development(tmp_path / "file" / "data", Dataset(np.zeros((2, 1)), np.arange(2)))
