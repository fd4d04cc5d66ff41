"""How much a difference would vary with other seeds and other test subjects: a crossed bootstrap.

Every training is measured on every cluster of test rows, so seeds and clusters are two crossed samples. Each draw
samples as many seeds and, independently, as many clusters as there are, with replacement, and recomputes the difference
(Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007). No bootstrap is exact for two crossed
factors; this one errs towards a larger variance (McCullagh, "Resampling and exchangeable arrays", Bernoulli 6(2),
2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from truetune.data.dataset import Array

DRAWS = 2000


@dataclass(frozen=True)
class Resampled:
    """Scores of every training on resampled test clusters.

    Attributes:
        before, after: shape (n_seeds, n_draws); row i of both is from the same seed, column j of both is on the same
            clusters for all seeds.
        n_clusters: number of test clusters, in total and in each draw.
        by: kind of the clusters, as `Clusters.by`.
        seed: for resampling the seeds.
    """

    before: Array
    after: Array
    n_clusters: int
    by: str = "subjects"
    seed: int = 0


def cluster_counts(n_clusters: int, seed: int, n_draws: int = DRAWS) -> Array:
    """How often each cluster occurs in each draw, shape (n_draws, n_clusters); each row sums to `n_clusters`."""
    return _counts(n_clusters, n_draws, np.random.default_rng([seed, 0]))


def crossed_draws(resampled: Resampled) -> Array:
    """The mean of "after" minus "before" over resampled seeds and clusters, shape (n_draws,)."""
    changes = resampled.after - resampled.before
    n_seeds, n_draws = changes.shape
    counts = _counts(n_seeds, n_draws, np.random.default_rng([resampled.seed, 1]))
    return np.asarray(np.einsum("ds,sd->d", counts, changes) / n_seeds)


def half_width(resampled: Resampled, confidence: float) -> float:
    """Half the interval of the mean change: t · SE · sqrt(n / (n - 1)), n the smaller of seeds and clusters.

    A bootstrap of n values divides by n instead of n - 1, which the root corrects (Hesterberg, "What Teachers Should
    Know About the Bootstrap", The American Statistician 69(4), 2015). With few clusters, t with n - 1 degrees of
    freedom replaces the normal distribution (Cameron, Gelbach & Miller, "Bootstrap-Based Improvements for Inference
    with Clustered Errors", Review of Economics and Statistics 90(3), 2008).
    """
    from scipy import stats

    n = min(len(resampled.before), resampled.n_clusters)
    error = float(crossed_draws(resampled).std(ddof=1))
    return float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * error * math.sqrt(n / (n - 1))


def _counts(n: int, n_draws: int, generator: np.random.Generator) -> Array:
    return generator.multinomial(n, np.full(n, 1 / n), size=n_draws)
