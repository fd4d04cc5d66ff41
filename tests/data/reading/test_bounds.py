"""Files that would fill the memory are refused before they do."""

from __future__ import annotations

import gzip
import io
import resource
import struct
import zipfile
import zlib

import numpy as np
import pytest

from truetune.data.reading import bounds
from truetune.errors import DataError
from truetune.system import machine


@pytest.fixture
def suspicious(monkeypatch):
    """What is suspicious at a gigabyte is suspicious at a megabyte here, so that bombs stay small."""
    monkeypatch.setattr(bounds, "UNSUSPICIOUS", 2**20)


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(2**34, 2**20))


SIZE = 2**24


def bomb(folder):
    """The same zeros in every format."""
    zeros = np.zeros(SIZE, dtype=np.uint8)
    np.savez_compressed(folder / "bomb.npz", X=zeros)
    with gzip.open(folder / "bomb.gz", "wb") as file:
        file.write(zeros.data)
    element = zlib.compress(zeros.tobytes())
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    (folder / "bomb.mat").write_bytes(header + struct.pack("<II", 15, len(element)) + element)


READS = {"bomb.npz": bounds.load_npz, "bomb.gz": bounds.check_gzip, "bomb.mat": bounds.check_mat}


@pytest.mark.parametrize("name", READS)
@pytest.mark.usefixtures("suspicious")
def test_bombs_are_refused(tmp_path, name):
    bomb(tmp_path)
    with pytest.raises(DataError, match="compressed 100-fold at most"):
        READS[name](tmp_path / name)


@pytest.mark.parametrize("name", READS)
@pytest.mark.usefixtures("little_memory")
def test_what_does_not_fit_into_memory_is_refused(tmp_path, name):
    bomb(tmp_path)
    with pytest.raises(DataError, match="MiB of data, but only 1 MiB of memory is free"):
        READS[name](tmp_path / name)


def test_what_fits_is_read(tmp_path):
    bomb(tmp_path)
    zeros = bytes(SIZE)
    assert bounds.load_npz(tmp_path / "bomb.npz")["X"].tobytes() == zeros
    with io.BufferedReader(bounds.BoundedGzip(tmp_path / "bomb.gz")) as file:
        assert file.read() == zeros


@pytest.mark.parametrize("name", ["bomb.gz", "bomb.mat"])
def test_a_check_unpacks_to_the_end(tmp_path, monkeypatch, name):
    bomb(tmp_path)
    sizes = []
    monkeypatch.setattr(bounds, "check_size", lambda path, unpacked, packed=None: sizes.append(unpacked))
    assert READS[name](tmp_path / name) is None
    assert sizes[-1] == SIZE


def header(shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["X.npy", "data.npz"])
def test_a_header_that_states_more_than_the_file_holds(tmp_path, name):
    path = tmp_path / name
    if name == "X.npy":
        path.write_bytes(header((10**13,)))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("X.npy", header((10**13,)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="is stated to have shape"):
        (bounds.load_npy if name == "X.npy" else bounds.load_npz)(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000


def test_python_objects_are_not_read(tmp_path):
    np.save(tmp_path / "X.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"allow_pickle|stated"):
        bounds.load_npy(tmp_path / "X.npy")


def test_a_long_json_is_not_read(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text(" " * (bounds.LARGEST_TEXT + 1))
    with pytest.raises(DataError, match="larger than 1 MiB"):
        bounds.read_small_text(path)
