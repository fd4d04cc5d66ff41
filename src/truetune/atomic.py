"""Files that are either the old one or the new one, never something in between."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from truetune.errors import StorageError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: a temporary file beside it, fsync, rename, fsync of the folder.

    The mode of an existing file is kept, and a symbolic link stays one: its target is replaced.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        _replace(target, content)
    except OSError as error:
        raise storage_error(target, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """What to say when `path` cannot be written."""
    remedy = {
        errno.ENOSPC: "The disk is full. Free some space and run the same command again.",
        errno.EDQUOT: "The disk quota is used up. Free some space and run the same command again.",
        errno.EROFS: "The file system is read-only. Choose another folder.",
        errno.EACCES: "Permission denied. Make the folder writable, or choose another one.",
    }.get(error.errno or 0, "Check that the folder exists and is writable.")
    return StorageError(f"{path} cannot be written ({error.strerror or error}). {remedy} Nothing was changed.")


def _replace(target: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync_folder(target.parent)


def _mode(target: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
