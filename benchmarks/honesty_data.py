"""Made-up data of the honesty benchmark, whose truth is known: every set is drawn from one distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from truetune import Dataset

N_FEATURES = 8


def coin_flips(seed: int, n_rows: int = 500) -> Dataset:
    """Two classes of the same size that have nothing to do with the features: no model is better than 0.5."""
    generator = np.random.default_rng([seed, 1])
    X = generator.normal(size=(n_rows, N_FEATURES)).astype("float32")
    return Dataset(X, generator.permutation(np.arange(n_rows) % 2))


def rows(seed: int, n_rows: int, signal: float) -> Dataset:
    """Independent rows: the class is the sign of `signal` times a sum of the features, and of standard normal noise."""
    generator = np.random.default_rng([seed, 2])
    X = generator.normal(size=(n_rows, N_FEATURES))
    score = signal * X.sum(axis=1) / np.sqrt(N_FEATURES) + generator.normal(size=n_rows)
    return Dataset(X.astype("float32"), (score > 0).astype("int64"))


@dataclass(frozen=True)
class Population:
    """Subjects whose rows resemble each other.

    Attributes:
        weights: of the features, in the score that decides about the class.
        shift: standard deviation of what a subject adds to each feature of all its rows. It tells nothing of the
            class, so that a subject's rows are right or wrong together.
        noise: standard deviation of what is added to the score.
    """

    weights: Sequence[float]
    shift: float = 0.3
    noise: float = 1.0

    def draw(self, seed: int, n_subjects: int, rows_each: int) -> Dataset:
        """`n_subjects` new subjects of `rows_each` rows."""
        generator = np.random.default_rng([seed, 3])
        n_rows, n_features = n_subjects * rows_each, len(self.weights)
        groups = np.repeat(np.arange(n_subjects), rows_each)
        inner = generator.normal(size=(n_rows, n_features))
        shifts = generator.normal(scale=self.shift, size=(n_subjects, n_features))
        score = inner @ np.asarray(self.weights) + generator.normal(scale=self.noise, size=n_rows)
        return Dataset((inner + shifts[groups]).astype("float32"), (score > 0).astype("int64"), groups=groups)
