"""What a worker prints: into its log, and nowhere when the log cannot be written."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any


def print_into(log: Path) -> None:
    """Send all output of this process to the end of `log`, TensorFlow's included.

    A builder that prints while the disk is full must not fail for it, so errors of writing are swallowed here, and
    where the log cannot even be opened the output is lost.
    """
    sys.stdout.flush()
    descriptor = _opened(log)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout, sys.stderr = _stream(1), _stream(2)


def _opened(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def _stream(descriptor: int) -> io.TextIOWrapper:
    raw = io.BufferedWriter(_Forgiving(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


class _Forgiving(io.FileIO):
    """What cannot be written counts as written."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)
