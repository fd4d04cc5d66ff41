"""Reading pickles of NumPy arrays, and nothing else: a pickle is a program, and a stranger's is not run.

Only four names may be looked up by the pickle, under the modules that Python 2's and 3's NumPy wrote them with. None of
them runs code of the file's choosing, and a pickle that asks for any other name is refused before it is called.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.reading.bounds import check_file
from truetune.errors import DataError

_ARRAY_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
_TEXT_ENCODINGS = ("latin1", "latin-1", "ascii", "utf-8")


class _Forbidden(pickle.UnpicklingError):
    """The pickle names something that is no part of an array."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _ARRAY_MODULES and name == "_reconstruct":
            return _reconstruct()
        if module in _ARRAY_MODULES and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return _encode()
        raise _Forbidden(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _Forbidden("it refers to objects outside the file")


def load_arrays(path: Path, expected: str) -> Any:
    """The dicts, lists, numbers, text and arrays in a pickle; byte strings of Python 2 are read as latin-1.

    Args:
        expected: what the file should have been, for the message, e.g. "a preprocessed DEAP file".

    Raises:
        DataError: the file is damaged, or holds anything else. Nothing of it has been executed.
    """
    try:
        check_file(path)
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Expected {expected}.") from error
    if not content:
        raise DataError(f"{path} is empty. Expected {expected}; copy or download it again.")
    try:
        _check_memo(content)
        return _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except _Forbidden as error:
        raise DataError(
            f"{path} is a pickle with something other than arrays: {error}. Expected {expected}. Nothing in it was "
            "executed; do not open files of unknown origin with pickle.load."
        ) from error
    except Exception as error:
        # A damaged pickle fails with whatever its broken opcodes stumble over: EOFError, KeyError, MemoryError, …
        raise DataError(
            f"{path} is damaged or not a pickle ({type(error).__name__}: {error}). Expected {expected}; copy or "
            "download it again."
        ) from error


def _check_memo(content: bytes) -> None:
    """Objects are remembered under numbers, and Python makes room for the largest number at once: a few bytes that
    state a huge one would fill the memory. Honest pickles count from 0.
    """
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise _Forbidden(f"it remembers its object number {count} under {argument}")


def _reconstruct() -> Callable[..., Any]:
    """NumPy's own, limited to plain empty arrays, which is all that a pickled array begins with.

    A new function for every lookup: a pickle may set attributes of what it is given.
    """

    def reconstruct(subtype: Any, shape: Any, code: Any) -> Any:
        if subtype is not np.ndarray or tuple(shape) != (0,):
            raise _Forbidden(f"it builds an array of type {subtype!r} and shape {shape!r}")
        return np.ndarray((0,), dtype=np.int8)

    return reconstruct


def _encode() -> Callable[..., bytes]:
    def encode(text: str, encoding: str = "utf-8") -> bytes:
        # Of anything else `str` would be a text that grows with every turn.
        if not isinstance(text, str):
            raise _Forbidden(f"it encodes a {type(text).__name__}")
        if encoding.lower() not in _TEXT_ENCODINGS:
            raise _Forbidden(f"it encodes text as {encoding!r}")
        return text.encode(encoding)

    return encode
