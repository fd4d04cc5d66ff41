"""Pickles of arrays are read; whatever else a pickle asks for is refused before it happens."""

import os
import pickle

import numpy as np
import pytest

from truetune.data.reading.safe_pickle import load_arrays
from truetune.errors import DataError


class Executes:
    """Runs a command when unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", ">f8"])
def test_arrays_of_every_protocol_are_read(tmp_path, protocol, dtype):
    content = {"data": np.arange(24).reshape(2, 3, 4).astype(dtype), "name": "s01", "numbers": [1, 2.5, None]}
    file = tmp_path / "arrays.pkl"
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    loaded = load_arrays(file, "arrays")
    np.testing.assert_array_equal(loaded["data"], content["data"])
    assert loaded["data"].dtype == content["data"].dtype.newbyteorder("=")
    assert loaded["numbers"] == [1, 2.5, None]


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("where", ["top", "in a dict", "in an object array"])
def test_code_in_a_pickle_is_not_executed(tmp_path, protocol, where):
    marker = tmp_path / "executed"
    payload = Executes(os.mkdir, str(marker))
    content = {"top": payload, "in a dict": {"data": payload}, "in an object array": np.array([payload, 1])}[where]
    file = tmp_path / "malicious.dat"
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(DataError, match="Nothing in it was executed"):
        load_arrays(file, "a DEAP file")
    assert not marker.exists()


@pytest.mark.parametrize(
    "stream",
    [
        b"cbuiltins\neval\n(S'1+1'\ntR.",
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
        b"cnumpy\nndarray.__class__\n.",
        b"c_codecs\nencode\n(S'x'\nS'idna'\ntR.",
        b"c_codecs\ndecode\n.",
        b"Pan id\n.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000\ntS'b'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.",
    ],
)
def test_every_other_name_is_refused(tmp_path, stream):
    file = tmp_path / "other.dat"
    file.write_bytes(stream)
    with pytest.raises(DataError, match=r"Nothing in it was executed|damaged or no pickle"):
        load_arrays(file, "a DEAP file")


def test_a_pickle_cannot_change_what_the_next_one_is_given(tmp_path):
    file = tmp_path / "changes.dat"
    file.write_bytes(b"c_codecs\nencode\n(N(dS'__defaults__'\n(S'rot13'\ntstb.")
    assert load_arrays(file, "a DEAP file").__defaults__ == ("rot13",)
    file.write_bytes(pickle.dumps({"data": np.arange(3.0)}, protocol=2))
    assert load_arrays(file, "arrays")["data"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x02", pickle.dumps(np.arange(99.0), protocol=2)[:-50]])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path, content):
    file = tmp_path / "s01.dat"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"s01\.dat is (empty|damaged)"):
        load_arrays(file, "a DEAP file")


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        load_arrays(tmp_path, "a DEAP file")


def test_a_memo_that_would_fill_the_memory_is_refused(tmp_path):
    file = tmp_path / "memo.dat"
    file.write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")  # LONG_BINPUT 2147483647
    with pytest.raises(DataError, match="remembers its object number 2 under 2147483647"):
        load_arrays(file, "a DEAP file")


def test_text_cannot_be_made_to_grow(tmp_path):
    """`encode(encode(…))` of bytes would double their length with every turn."""
    file = tmp_path / "grows.dat"
    file.write_bytes(b"c_codecs\nencode\n(c_codecs\nencode\n(Vx\nVlatin1\ntRVlatin1\ntR.")
    with pytest.raises(DataError, match="encodes a bytes"):
        load_arrays(file, "a DEAP file")
