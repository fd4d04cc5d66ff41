"""Intervals of the mean of a few runs on overlapping random splits.

Runs on random splits of the same rows share rows, so their mean is less certain than the number of runs suggests. The
corrected resampled variance adds the ratio of validation to training rows: C. Nadeau and Y. Bengio, "Inference for the
Generalization Error", Machine Learning 52 (2003), 239-281. If a run has several folds, the folds are the splits, since
each run validates on all rows: R. R. Bouckaert and E. Frank, "Evaluating the Replicability of Significance Tests for
Comparing Learning Algorithms", PAKDD 2004 (the corrected repeated k-fold test).

The variance of one candidate's few runs is itself uncertain, and a bound built on it would reward runs that are equal
by luck. So it is moderated by the variances of others, as in G. K. Smyth, "Linear Models and Empirical Bayes Methods
for Assessing Differential Expression in Microarray Experiments", Statistical Applications in Genetics and Molecular
Biology 3 (2004), article 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
"""Two-sided."""

MOST_PRIOR_FREEDOM = 8
"""Most degrees of freedom given to the others' variances, because candidates do differ in their spread."""

ROUNDING = 1e-12
"""Scores that spread less than this, relative to their size, are equal up to floating-point rounding."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval at `CONFIDENCE`; `low` and `high` are None if no spread can be estimated."""

    mean: float
    low: float | None
    high: float | None
    n_runs: int

    @property
    def contains_zero(self) -> bool:
        """Whether 0 is in the interval; False without an interval."""
        return self.low is not None and self.high is not None and self.low <= 0 <= self.high


def variance_of(scores: Sequence[float]) -> float | None:
    """The unbiased variance; None for fewer than two scores."""
    return float(np.var(scores, ddof=1)) if len(scores) > 1 else None


def estimate(
    scores: Sequence[float], others: Sequence[float], validation_ratio: float, parts: Sequence[float] | None = None
) -> Estimate:
    """The mean of `scores`, with its interval.

    Args:
        scores: of one candidate's runs, at least one.
        others: variances of other candidates, each of as many parts; they moderate the candidate's own.
        validation_ratio: validation rows divided by training rows of a split.
        parts: the scores of all folds of the runs, from which the spread is estimated; None means `scores`.
    """
    from scipy import stats

    mean, n_runs = float(np.mean(scores)), len(scores)
    parts = scores if parts is None else parts
    variance, freedom = _moderated(parts, others)
    if freedom == 0 or math.sqrt(variance) <= ROUNDING * max(1.0, abs(mean)):
        return Estimate(mean, None, None, n_runs)
    error = math.sqrt(variance * (1 / len(parts) + validation_ratio))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
    return Estimate(mean, mean - half, mean + half, n_runs)


def _moderated(scores: Sequence[float], others: Sequence[float]) -> tuple[float, int]:
    """The variance and its degrees of freedom; 0 and 0 for a single score."""
    own = variance_of(scores)
    if own is None:
        return 0.0, 0
    freedom = len(scores) - 1
    prior = min(MOST_PRIOR_FREEDOM, freedom * len(others))
    shared = float(np.mean(others)) if others else 0.0
    return (prior * shared + freedom * own) / (prior + freedom), prior + freedom
