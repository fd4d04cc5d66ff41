"""The seal of an earlier search, found again from the winner that it exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from truetune.data.dataset import Dataset
from truetune.data.sealing.identified import IdentifiedData
from truetune.data.sealing.seal import Seal, seal_of
from truetune.results.export import BestHyperparameters, load
from truetune.task import Task


@dataclass(frozen=True)
class SealPlace:
    """Where a seal is, or will be.

    Attributes:
        data: what it seals.
        path: of the seal.
        seed: draws the test part where it is not sealed yet.
    """

    data: IdentifiedData
    path: Path
    seed: int

    def open(self) -> Seal:
        """Read it; made if it is not there. Raises as `seal.seal_of`."""
        return seal_of(self.data, self.path, self.seed)


def seal_place(task: Task, dataset: Dataset, directory: Path, seed: int) -> SealPlace:
    """The seal of the search whose result is in `directory`, if it was on these data; else one of the data's own."""
    data, best = IdentifiedData(dataset), exported(directory)
    if best is not None and best.metadata.data.fingerprint == data.fingerprint:
        name, seed = best.metadata.study_name, best.metadata.seed
    else:
        name = f"{task.study_prefix or task.name}_{data.fingerprint}"
    return SealPlace(data, directory / "tuning" / name / "seal.json", seed)


def exported(directory: Path) -> BestHyperparameters | None:
    """The last winner written to `directory`; None where there is none."""
    path = directory / "best_hyperparameters.json"
    return load(path) if path.exists() else None
