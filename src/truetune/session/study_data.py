"""The data of a study: sealed, split, checked, and put where workers find them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from truetune.data.checks.fold_notes import copies_of_sealed, notes, same_again
from truetune.data.checks.leaks import check_folds
from truetune.data.checks.preprocessing_leaks import check_holds_no_sealed_row
from truetune.data.dataset import Dataset
from truetune.data.sealing.identified import IdentifiedData
from truetune.data.sealing.sealed_data import SealedData
from truetune.data.shared import save_development
from truetune.data.splitting.protocols import Fold, describe
from truetune.session.request import SearchRequest
from truetune.study.evaluation import fresh_split_seeds, reshuffled_seeds


@dataclass(frozen=True)
class StudyData:
    """What is computed from the data, each thing once, when it is first needed.

    Attributes:
        all: the data, sealed rows included.
        seal_path: of the study.
        request: what the search was started with.
    """

    all: IdentifiedData
    seal_path: Path
    request: SearchRequest

    @cached_property
    def sealed(self) -> SealedData:
        """The test part is set aside before anything else looks at the data. Raises as `seal.seal_of`."""
        return SealedData.of(self.all, self.seal_path, self.request.options.seed)

    @property
    def development(self) -> Dataset:
        """The rows that are not sealed."""
        return self.sealed.development

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Of the study's trials."""
        return self._drawn(self.request.options.seed)

    def _drawn(self, seed: int) -> tuple[Fold, ...]:
        return self.request.options.evaluation_protocol.folds(self.development, seed)

    @property
    def validation_ratio(self) -> float:
        """Validation rows for each training row."""
        first = self.folds[0]
        return len(first.validation) / len(first.train)

    def check(self) -> Iterator[str]:
        """Refuse data that leak; yields lines that a person should read before trials are trained.

        Raises:
            DataError: a row is on both sides of a split, or preprocessing holds sealed rows.
        """
        options, task, sealed = self.request.options, self.request.task, self.sealed
        fresh = [self._drawn(seed) for seed in fresh_split_seeds(options)]
        later = chain(fresh, (self._drawn(seed) for seed in reshuffled_seeds(options)))
        check_folds(sealed.hashed_development, self.folds, later)
        if task.preprocessing is not None:
            check_holds_no_sealed_row(task.preprocessing, self.development, sealed.test)
        seal = sealed.seal
        yield f"{describe(self.folds)}; {len(seal.test_rows)} rows are sealed for the final test (by {seal.by})."
        yield from notes(self.development, self.folds)
        copies = copies_of_sealed(self.all.dataset, seal.development_rows, seal.test_rows)
        again = [same_again(self.folds, folds) for folds in fresh[:1]]
        yield from filter(None, [copies, *again])

    def save(self, folder: Path) -> None:
        """Write the development rows where workers find them. Raises StorageError."""
        save_development(folder, self.development)
