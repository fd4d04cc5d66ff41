"""Names of studies: they become folders, on every system, and stay inside theirs."""

from __future__ import annotations

import hashlib
import re

from truetune.errors import InputError

LONGEST_NAME = 46
"""Characters. So everything that is written below `--directory` has a path of under 120, the archived study's files
included; Windows allows 260 with the folders above."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|optuna\.db[-\w]*)(\..*)?", re.IGNORECASE)
"""Devices of Windows, with any suffix; and the database that stands beside the folders."""


def checked_study_name(name: str) -> str:
    """`name`, unless it is no name for a folder.

    Raises:
        InputError: other characters, too long, a dot at either end, or reserved.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or name.endswith(".") or _RESERVED.fullmatch(name):
        shown = repr(name if len(name) < 2 * LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
        raise InputError(
            f"The study name is {shown}. Expected up to {LONGEST_NAME} letters, digits, '_', '-' and '.' (it becomes a "
            "folder name), without a dot at either end, a '-' at the start, or a name reserved by Windows."
        )
    return name


def ending_in(name: str, ending: str) -> str:
    """`name` with `ending`; a long one is cut, and keeps a digest of the whole, so that two of them stay two."""
    room = LONGEST_NAME - len(ending)
    if len(name) <= room:
        return name + ending
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: room - 7]}_{digest}{ending}"


def default_study_name(prefix: str, algorithm: str, is_dummy: bool) -> str:
    """`emotion_recognition_optuna`; of a long prefix the beginning and a checksum are left.

    Raises:
        InputError: prefix or algorithm hold characters that no folder has.
    """
    return checked_study_name(ending_in(prefix, f"_{algorithm}{'_dummy' if is_dummy else ''}"))
