"""How large a stranger's file may be once it is read, found out before memory is filled.

A few kilobytes of compressed zeros unpack to gigabytes, and a header may state any shape. What a file unpacks to must
fit into the memory that is free now, and beyond 1 GiB no data are compressed a hundredfold.
"""

from __future__ import annotations

import gzip
import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from truetune.errors import DataError
from truetune.system import machine
from truetune.system.sizes import show_size

LARGEST_TEXT = 2**20
"""Bytes of a small JSON file beside the data; one has a few dozen."""

LARGEST_LINE = 2**22
"""Bytes of one line of a table."""

UNSUSPICIOUS = 2**30
"""Bytes up to which any ratio of compression is believed."""

LARGEST_RATIO = 100
_PIECE = 2**20


def check_size(path: Path, unpacked: int, packed: int | None = None) -> None:
    """Refuse a file that unpacks to more bytes than fit, or than its `packed` bytes can honestly hold.

    Raises:
        DataError: with both sizes.
    """
    free = machine.memory().available
    if unpacked > free:
        raise DataError(
            f"{path} holds {show_size(unpacked)} of data, but only {show_size(free)} of memory is free. Expected data "
            "that fit into memory; use fewer of them, or free some memory."
        )
    if packed is not None and unpacked > UNSUSPICIOUS and unpacked > LARGEST_RATIO * packed:
        raise DataError(
            f"{path} has {show_size(packed)} and unpacks to {show_size(unpacked)} or more. Expected data "
            f"compressed {LARGEST_RATIO}-fold at most; if the file is genuine, unpack it first."
        )


def check_file(path: Path) -> None:
    """Refuse a file that is larger than the free memory. Raises DataError."""
    check_size(path, path.stat().st_size)


def read_small_text(path: Path) -> str:
    """A text of at most `LARGEST_TEXT` bytes, UTF-8. Raises DataError, OSError, UnicodeDecodeError."""
    with path.open("rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise DataError(f"{path} is larger than {show_size(LARGEST_TEXT)}. Expected a few lines of JSON.")
    return content.decode("utf-8")


# NumPy


def load_npy(path: Path) -> Any:
    """The array in an `.npy` file.

    Raises:
        DataError: it does not fit into memory, or is compressed beyond belief.
        ValueError, OSError, EOFError, BadZipFile: it is damaged, holds less than its header states, or Python objects.
    """
    check_file(path)
    with path.open("rb") as file:
        _check_header(file, path.stat().st_size)
    return np.load(path, allow_pickle=False)


def load_npz(path: Path) -> dict[str, Any]:
    """The arrays in an `.npz` file, by name; as `load_npy`."""
    packed = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        check_size(path, sum(member.file_size for member in members), packed)
        for member in members:
            with archive.open(member) as file:
                _check_header(file, member.file_size)
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def _check_header(file: IO[bytes], size: int) -> None:
    """`np.load` makes room for what the header states before it reads on."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(cast(Any, file))
    stated = math.prod(shape) * dtype.itemsize
    if stated > size:
        raise ValueError(f"an array is stated to have shape {shape}, {stated} bytes, where the file holds {size}")


# gzip


class BoundedGzip(io.RawIOBase):
    """A gzip file that is read as it is unpacked, and refuses to go on beyond what `check_size` allows.

    Raises:
        DataError: while it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._packed = path, path.stat().st_size
        self._file, self._unpacked = gzip.GzipFile(path, "rb"), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)
        self._unpacked += count
        if self._unpacked // _PIECE != (self._unpacked - count) // _PIECE:
            check_size(self._path, self._unpacked, self._packed)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def check_gzip(path: Path) -> None:
    """Unpack a gzip file without keeping it. Raises DataError, OSError, EOFError."""
    with BoundedGzip(path) as file:
        piece = bytearray(_PIECE)
        while file.readinto(piece):
            pass


# MATLAB

_MAT_HEADER = 128
_COMPRESSED = 15
"""miCOMPRESSED in "MAT-File Level 5 File Format" (The MathWorks)."""


def check_mat(path: Path) -> None:
    """Unpack the compressed variables of a MATLAB file of version 5 to 7 without keeping them.

    Raises:
        DataError: they unpack to more than is allowed.
        zlib.error: the file is damaged.
    """
    check_file(path)
    packed, unpacked = path.stat().st_size, 0
    for piece in _unpacked_pieces(path):
        unpacked += piece
        check_size(path, unpacked, packed)


def _unpacked_pieces(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        header = file.read(_MAT_HEADER)
        if header[126:128] not in (b"IM", b"MI"):
            return  # version 4 is not compressed
        order = "little" if header[126:128] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            kind, size = (int.from_bytes(part, cast(Any, order)) for part in (tag[:4], tag[4:]))
            if kind == _COMPRESSED:
                yield from _inflate(file, size)
            else:
                file.seek(size, io.SEEK_CUR)


def _inflate(file: IO[bytes], size: int) -> Iterator[int]:
    """Lengths of the unpacked pieces of the next `size` bytes."""
    unpack = zlib.decompressobj()
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        size -= len(piece)
        while piece:
            yield len(unpack.decompress(piece, _PIECE))
            piece = unpack.unconsumed_tail
