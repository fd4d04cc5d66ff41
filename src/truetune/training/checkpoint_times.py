"""When a checkpoint is written: so seldom that writing costs under 2 % of training."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from truetune.training.checkpoint import Progress, save_checkpoint, size_in_bytes

SECONDS_BETWEEN = 50
"""Seconds of training for each second of writing."""

BYTES_PER_SECOND = 100e6
SECONDS_PER_FILE = 0.01
"""Of a slow disk that is synced, until a write was measured."""


class CheckpointTimes:
    """Writes one trial's checkpoints, skipping epochs that are short.

    Args:
        path: the file; None writes nothing, ever.
        clock: seconds, monotonic.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._last = clock()
        self._cost: float | None = None

    def epoch_ended(self, model: Any, progress: Progress) -> bool:
        """Write if it is time to, and say whether it was."""
        if self._path is None or self._clock() - self._last < SECONDS_BETWEEN * self._expected(model, progress):
            return False
        self.write(model, progress)
        return True

    def write(self, model: Any, progress: Progress) -> None:
        """Write now: the trial is paused, or may be promoted.

        Raises:
            StorageError: the disk is full or read-only.
        """
        if self._path is None:
            return
        began = self._clock()
        save_checkpoint(self._path, model, progress)
        self._last = self._clock()
        self._cost = self._last - began

    def _expected(self, model: Any, progress: Progress) -> float:
        if self._cost is None:
            return SECONDS_PER_FILE + size_in_bytes(model, progress) / BYTES_PER_SECOND
        return self._cost
