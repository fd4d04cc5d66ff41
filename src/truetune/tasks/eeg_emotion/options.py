"""The EEG task's options. Light: the command reads them for its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from truetune.tasks.declaration import option
from truetune.tasks.sources import default_data


@dataclass(frozen=True)
class EmotionOptions:
    """Which EEG to use, and what to learn from it.

    None of these is compared when a study is resumed; the fingerprint of the data and the objective are, which depend
    on all of them.
    """

    data: Path | None = option(
        None,
        help="Data file or folder.  [default: data/ if it exists]",
        instead_of="use_dummy_data",
    )
    label: str | None = option(None, help="Label column, if the data have several candidates.", compare=False)
    sfreq: float | None = option(None, help="Sampling rate in Hz, if the data do not contain it.", compare=False)
    use_dummy_data: bool = option(
        False, help="Synthetic EEG-like signals instead of data.", compare=False, instead_of="data"
    )
    objective: str | None = option(
        None, help="Metric to optimize, e.g. accuracy, uar or macro_f1.  [default: accuracy]", compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", default_data(self.data, self.use_dummy_data))
