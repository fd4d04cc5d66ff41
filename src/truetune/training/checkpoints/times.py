"""When a checkpoint is written: so seldom that writing costs under 2 % of training."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from truetune.errors import StorageError
from truetune.training.checkpoints.checkpoint import Progress, save_checkpoint, size_in_bytes

SECONDS_BETWEEN = 50
"""Seconds of training for each second of writing."""

BYTES_PER_SECOND = 100e6
SECONDS_PER_FILE = 0.01
"""Of a slow disk that is synced, until a write was measured."""


class CheckpointTimes:
    """Writes one trial's checkpoints, skipping epochs that are short.

    A checkpoint that cannot be written (the disk is full) costs the trial nothing but the way back to it.

    Args:
        path: the file; None writes nothing, ever.
        clock: seconds, monotonic.
        note: called once with the reason if one could not be written.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self._path, self._clock, self._note = path, clock, note
        self._last = clock()
        self._cost: float | None = None

    def epoch_ended(self, model: Any, progress: Progress) -> bool:
        """Write if due; return whether it was."""
        if self._path is None or self._clock() - self._last < SECONDS_BETWEEN * self._expected(model, progress):
            return False
        return self._try(self._path, model, progress)

    def write(self, model: Any, progress: Progress) -> None:
        """Write now: the trial is paused, or may be promoted.

        Where that fails, an older checkpoint is removed: it would be taken for this one.
        """
        if self._path is not None and not self._try(self._path, model, progress):
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _try(self, path: Path, model: Any, progress: Progress) -> bool:
        began = self._clock()
        try:
            save_checkpoint(path, model, progress)
            return True
        except StorageError as error:
            if self._note is not None:
                self._note(f"Could not write a checkpoint; the trial continues without it: {error}")
            self._note = None
            return False
        finally:
            self._last = self._clock()
            self._cost = self._last - began

    def _expected(self, model: Any, progress: Progress) -> float:
        if self._cost is None:
            return SECONDS_PER_FILE + size_in_bytes(model, progress) / BYTES_PER_SECOND
        return self._cost
