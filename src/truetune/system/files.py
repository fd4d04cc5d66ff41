"""Writing a file so that a reader sees the old content or the new, and nothing between."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from truetune.errors import StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_atomically(path: str | Path, data: bytes, mode: int | None = None, make_folder: bool = False) -> Path:
    """Replace the content of `path` by `data`, or leave it untouched.

    The data go to a temporary file in the same folder, are synced to the disk and renamed over the old file. The mode
    (and, where permitted, the owner) of an existing file is kept; of a symbolic link, the target is written.

    Args:
        path: the file.
        data: its new content.
        mode: permission bits for a new file; None lets the umask decide.
        make_folder: make the folder (and those above it) where it is missing.

    Returns:
        The file that was really written: `path` with its links followed.

    Raises:
        StorageError: the disk is full or read-only, the folder is missing, or `path` is no regular file.
    """
    target = Path(os.path.realpath(path))
    try:
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        existing = _existing(target)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        try:
            _write_synced(temporary, data, existing, mode)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise storage_error(target, error) from error
    return target


def _existing(target: Path) -> os.stat_result | None:
    """What stands there now; None for nothing.

    A rename needs no permission on the file it replaces, so a write-protected file is refused here: somebody
    protected it on purpose. So are devices and pipes, which a rename would destroy.
    """
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, "the file is write-protected")
    return status


def _write_synced(temporary: Path, data: bytes, existing: os.stat_result | None, mode: int | None) -> None:
    # 0o666 lets the umask decide, as for any file that a program creates.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if existing is not None:
            _copy_owner_and_mode(file.fileno(), existing)
        elif mode is not None and os.name == "posix":
            os.fchmod(file.fileno(), stat.S_IMODE(mode))
        os.fsync(file.fileno())


def _copy_owner_and_mode(descriptor: int, existing: os.stat_result) -> None:
    if os.name != "posix":
        return
    # Only the superuser may give files away; without that right the file becomes the writer's, as with any editor.
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, existing.st_uid, existing.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(existing.st_mode))


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be synced (not on Windows, nor on some network disks)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error for a `path` that cannot be written."""
    return StorageError(f"{path} cannot be written: {error.strerror or error}. {_remedy(error, path)}")


def _remedy(error: OSError, target: Path) -> str:
    if error.errno in _FULL:
        return f"Free space on the disk of {target.parent} and rerun the same command. Nothing was changed."
    if error.errno in _FORBIDDEN:
        return f"Make {target} and its folder writable, or pass another path. Nothing was changed."
    if error.errno == errno.ENOENT:
        return f"The folder {target.parent} does not exist: create it, or pass another path."
    return "Pass the path of a regular file in a writable folder."
