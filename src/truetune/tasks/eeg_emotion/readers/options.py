"""What a person may set about EEG data that do not hold it themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReadOptions:
    """What a person may set about data that do not hold it themselves.

    Attributes:
        label: the column or head to learn; None takes the only one, or all heads.
        sfreq: samples per second, Hz, where the files do not hold it.
        window_seconds: length of the windows that trials are cut into; None: 4 s, or the shortest trial's.
        cache_dir: where extracted features are kept; None keeps none.
        groups: a further column that holds who or what a row is from, whatever its name.
    """

    label: str | None = None
    sfreq: float | None = None
    window_seconds: float | None = None
    cache_dir: Path | None = None
    groups: str | None = None
