"""MATLAB files."""

import numpy as np
import pytest
from scipy.io import savemat

from truetune.data.reading.mat import load_mat, variables
from truetune.errors import DataError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"X": np.eye(3), "label": np.arange(3)}, do_compression=True)
    return path


def test_names_without_values_and_the_ones_that_are_wanted(file):
    assert variables(file) == ["X", "label"]
    content = load_mat(file, ["label"])
    assert content["label"].tolist() == [0, 1, 2]
    assert "X" not in content


def test_a_truncated_file_and_the_newest_format(file, tmp_path):
    file.write_bytes(file.read_bytes()[:150])
    with pytest.raises(DataError, match=r"a\.mat cannot be read"):
        load_mat(file)
    (tmp_path / "b.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match="-v7"):
        variables(tmp_path / "b.mat")
