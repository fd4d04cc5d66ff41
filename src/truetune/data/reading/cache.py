"""What was computed from data, kept by content: the same arrays and settings are never transformed twice.

`truetune clean` removes these files by the pattern `FILES`.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from truetune.data.dataset import Array
from truetune.errors import DataError, StorageError
from truetune.system.checksum import with_digest, without_digest
from truetune.system.files import write_atomically

MAGIC = b"truetune features 1\n"

FILES = re.compile(r"features-[0-9a-f]{32}\.npz")

_log = logging.getLogger(__name__)


def content_key(data: Array, *settings: object) -> str:
    """32 hexadecimal digits that change with any value of `data`, its shape or type, and with any of the settings.

    Args:
        settings: all that the result depends on besides `data`: strings, numbers and tuples of them, whose `repr` is
            the same in every process.
    """
    digest = hashlib.sha256()
    digest.update(repr((*settings, data.shape, data.dtype.str)).encode())
    digest.update(np.ascontiguousarray(data).data)
    return digest.hexdigest()[:32]


def remember(folder: Path, key: str, shape: tuple[int, ...], compute: Callable[[], Array]) -> Array:
    """What was computed under `key` before, or what `compute` returns now, which is then kept.

    A file that is damaged or holds something else is replaced. A folder that cannot be written costs time, not the
    run: it is logged and the features are used without being kept.

    Args:
        shape: of the features, float32: (n, n_features), or whatever the model takes.
    """
    path = folder / f"features-{key}.npz"
    known = _read(path, key, shape)
    if known is not None:
        return known
    features = compute()
    _write(path, key, features)
    return features


def _read(path: Path, key: str, shape: tuple[int, ...]) -> Array | None:
    try:
        with np.load(io.BytesIO(without_digest(MAGIC, path.read_bytes())), allow_pickle=False) as file:
            features, stored_key = np.asarray(file["X"]), str(file["key"])
    except FileNotFoundError:
        return None
    except (DataError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _log.warning("The cached features in %s are damaged (%s); they are computed again.", path, error)
        return None
    if stored_key != key or features.shape != shape or features.dtype != np.float32 or not np.isfinite(features).all():
        _log.warning("The cached features in %s are not what was kept there; they are computed again.", path)
        return None
    return features


def _write(path: Path, key: str, features: Array) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, X=features, key=np.array(key))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, with_digest(MAGIC, buffer.getbuffer()))
    except (OSError, StorageError) as error:
        _log.warning("The extracted features could not be kept in %s: %s", path.parent, error)
