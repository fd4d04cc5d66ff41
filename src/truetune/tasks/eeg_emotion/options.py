"""The EEG task's options. Light: the command reads them for its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from truetune.tasks.declaration import option
from truetune.tasks.sources import default_data


@dataclass(frozen=True)
class EmotionOptions:
    """Which EEG, and what is learned from it. None is compared when a study is resumed: the fingerprint of the data
    and the objective are, which all of these end in.
    """

    data: Path | None = option(
        None,
        help="Folder or file with the data.  [default: data/ when it is there]",
        instead_of="use_dummy_data",
    )
    label: str | None = option(None, help="Column of the data to predict, where there are several.", compare=False)
    sfreq: float | None = option(None, help="Sampling rate in Hz, where the data do not hold it.", compare=False)
    use_dummy_data: bool = option(
        False, help="Made-up EEG-like signals instead of data.", compare=False, instead_of="data"
    )
    objective: str | None = option(
        None, help="Logged metric that decides, e.g. accuracy, uar or macro_f1.", compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", default_data(self.data, self.use_dummy_data))
