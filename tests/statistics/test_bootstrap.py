"""The crossed bootstrap, against one draw after the other, and against the variances it stands for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from truetune.statistics.bootstrap import DRAWS, Resampled, cluster_counts, crossed_draws, half_width


def resampled(before, after, seed=0, n_draws=DRAWS):
    """Accuracies over drawn clusters from hits, shape (n_seeds, n_clusters), of 10 rows a cluster."""
    n_clusters = before.shape[1]
    counts = cluster_counts(n_clusters, seed, n_draws)
    rows = 10 * n_clusters
    return Resampled(before @ counts.T / rows, after @ counts.T / rows, n_clusters, seed=seed)


def hits(seed, n_seeds=5, n_clusters=4):
    return np.random.default_rng(seed).integers(0, 11, size=(n_seeds, n_clusters)).astype(float)


def test_each_draw_takes_as_many_clusters_as_there_are():
    counts = cluster_counts(6, seed=1)
    assert counts.shape == (DRAWS, 6)
    assert (counts.sum(axis=1) == 6).all()
    assert abs(counts.mean() - 1) < 1e-12
    assert (counts == cluster_counts(6, seed=1)).all()
    assert (counts != cluster_counts(6, seed=2)).any()


def test_draws_are_those_of_seeds_and_clusters_drawn_one_after_the_other():
    before, after = hits(0), hits(1)
    made = crossed_draws(resampled(before, after, seed=3, n_draws=50))
    clusters = cluster_counts(4, 3, 50)
    seeds = np.random.default_rng([3, 1]).multinomial(5, np.full(5, 0.2), size=50)
    for draw in range(50):
        chosen_seeds = np.repeat(np.arange(5), seeds[draw])
        chosen_clusters = np.repeat(np.arange(4), clusters[draw])
        changes = [
            sum(after[s, c] - before[s, c] for c in chosen_clusters) / (10 * len(chosen_clusters)) for s in chosen_seeds
        ]
        assert made[draw] == pytest.approx(np.mean(changes))


def test_the_variance_is_that_of_both_ways_of_drawing():
    """Exact for a table of cells: over all pairs of a seed and a cluster, each drawn uniformly."""
    before, after = hits(0), hits(1)
    change = (after - before) / 10
    effects = change - change.mean()
    of_seeds, of_clusters = effects.mean(axis=1), effects.mean(axis=0)
    rest = effects - of_seeds[:, None] - of_clusters[None]
    exact = of_seeds.var() / 5 + of_clusters.var() / 4 + rest.var() / 20
    assert crossed_draws(resampled(before, after, n_draws=200_000)).var() == pytest.approx(exact, rel=0.02)


def test_the_interval_of_seeds_alone_is_students():
    """With equal clusters only the seeds vary; the root turns the bootstrap's n into n - 1."""
    before = np.repeat(hits(0, n_clusters=1), 9, axis=1)
    after = np.repeat(hits(1, n_clusters=1), 9, axis=1)
    drawn = resampled(before, after, n_draws=100_000)
    differences = (after - before)[:, 0] / 10
    expected = stats.t.ppf(0.975, 4) * differences.std(ddof=1) / math.sqrt(5)
    assert half_width(drawn, 0.95) == pytest.approx(expected, rel=0.01)


def test_few_clusters_widen_the_interval():
    few = half_width(resampled(hits(0, 7, 3), hits(1, 7, 3)), 0.95)
    many = half_width(resampled(hits(0, 7, 30), hits(1, 7, 30)), 0.95)
    assert few > 3 * many
