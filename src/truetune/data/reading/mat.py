"""MATLAB files through SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from truetune.data.reading.bounds import check_mat
from truetune.data.reading.formats import foreign
from truetune.errors import DataError

_HDF5_SIGNATURE = b"\x89HDF"


def variables(file: Path) -> list[str]:
    """The names of a file's variables, without reading their values.

    Raises:
        DataError: the file is damaged or in MATLAB's HDF5 format.
    """
    from scipy.io import whosmat

    _check(file)
    return [name for name, _, _ in foreign(file, "a MATLAB file", lambda: whosmat(str(file)))]


def load_mat(file: Path, names: list[str] | None = None) -> dict[str, Any]:
    """The named variables (all for None); structs become objects with attributes, cells arrays of objects.

    Raises:
        DataError: the file is damaged or in MATLAB's HDF5 format.
    """
    from scipy.io import loadmat

    _check(file)
    foreign(file, "a MATLAB file", lambda: check_mat(file))
    content: dict[str, Any] = foreign(
        file,
        "a MATLAB file",
        lambda: loadmat(str(file), variable_names=names, struct_as_record=False, squeeze_me=True),
    )
    return content


def _check(file: Path) -> None:
    with file.open("rb") as stream:
        start = stream.read(516)
    if start[:4] == _HDF5_SIGNATURE or start[512:516] == _HDF5_SIGNATURE:
        raise DataError(
            f"{file} is a MATLAB 7.3 (HDF5) file. Expected version 7 or older; load it in MATLAB and save it with "
            "save(file, '-v7')."
        )
