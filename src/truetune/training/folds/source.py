"""The folds of a trial, each preprocessed by its own training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from truetune.data.checks.preprocessing_leaks import check_preprocessing
from truetune.data.dataset import Dataset, named
from truetune.data.shared import load_development
from truetune.data.splitting.protocols import Fold, Protocol
from truetune.task import Preprocessing
from truetune.training.fit import preprocess
from truetune.training.messages import Request, TrainingTask

MOST_KEPT_BYTES = 512 * 2**20
"""Folds are prepared anew for every trial where all of them together are larger."""


@dataclass(frozen=True)
class Parts:
    """The preprocessed rows a fold trains and validates on."""

    train: Dataset
    validation: Dataset


class Folds:
    """The parts of each fold, prepared when they are asked for.

    Args:
        development: the rows that are not sealed.
        folds: which of them train and which validate.
        preprocessing: makes a fresh transformer for each fold.
    """

    def __init__(
        self, development: Dataset, folds: Sequence[Fold], preprocessing: Callable[[], Preprocessing] | None = None
    ) -> None:
        self._development, self._folds, self._preprocessing = development, tuple(folds), preprocessing
        size = sum(values.nbytes for values in named(development.X).values())
        self._keeps_all = size * len(self._folds) <= MOST_KEPT_BYTES
        self._kept: dict[int, Parts] = {}

    def __len__(self) -> int:
        return len(self._folds)

    @property
    def validation_sizes(self) -> list[int]:
        """Rows that each fold validates on."""
        return [len(fold.validation) for fold in self._folds]

    def parts(self, index: int) -> Parts:
        """Of fold `index`, 0 is the first, with which preprocessing is looked at too.

        Raises:
            DataError: preprocessing uses rows that it was not fitted on (see `peeking`).
        """
        if index not in self._kept:
            if not self._keeps_all:
                self._kept.clear()
            fold = self._folds[index]
            train, validation = (self._development.take(rows) for rows in (fold.train, fold.validation))
            if self._preprocessing is not None and index == 0:
                check_preprocessing(self._preprocessing, train, validation)
            self._kept[index] = Parts(*preprocess(self._preprocessing, train, validation))
        return self._kept[index]


class FoldSource:
    """Draws the folds of each trial: the study's own, or those of a split that one request asks for.

    Args:
        development: the rows that are not sealed.
        protocol: how they are split.
        preprocessing: makes a fresh transformer for each fold.
        seed: the study's.
    """

    def __init__(
        self,
        development: Dataset,
        protocol: Protocol,
        preprocessing: Callable[[], Preprocessing] | None,
        seed: int,
    ) -> None:
        self._development, self._protocol, self._preprocessing = development, protocol, preprocessing
        self.own = self._draw(seed)
        self._latest: tuple[int, Folds] | None = None

    @classmethod
    def load(cls, task: TrainingTask, folder: Path) -> FoldSource:
        """From what the supervisor wrote. Raises StorageError when it is damaged."""
        return cls(load_development(folder), task.protocol, task.preprocessing, task.seed)

    def _draw(self, seed: int) -> Folds:
        return Folds(self._development, self._protocol.folds(self._development, seed), self._preprocessing)

    def folds(self, request: Request) -> Folds:
        """The folds that `request` is to be trained on."""
        if request.split_seed is None:
            return self.own
        if self._latest is None or self._latest[0] != request.split_seed:
            self._latest = (request.split_seed, self._draw(request.split_seed))
        return self._latest[1]
