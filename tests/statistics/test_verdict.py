"""The verdict says "improved" only with evidence, and rarely without a reason."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats

from truetune.errors import InputError
from truetune.statistics.bootstrap import Resampled, cluster_counts
from truetune.statistics.verdict import compare


def test_a_clear_improvement():
    verdict = compare([0.50, 0.52, 0.48, 0.51, 0.49], [0.60, 0.61, 0.59, 0.62, 0.58])
    assert verdict.outcome == "improved"
    assert verdict.low < verdict.difference < verdict.high
    assert verdict.difference == pytest.approx(0.10)
    assert verdict.n == 5


def test_the_interval_and_p_value_are_those_of_scipy():
    rng = np.random.default_rng(3)
    before, after = rng.normal(size=9), rng.normal(0.4, size=9)
    reference = stats.ttest_rel(after, before)
    interval = reference.confidence_interval(0.9)
    verdict = compare(before, after, confidence=0.9)
    assert (verdict.low, verdict.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert verdict.p_value == pytest.approx(reference.pvalue)


def test_worse_is_said():
    assert compare([0.6, 0.61, 0.59, 0.6, 0.62], [0.5, 0.5, 0.51, 0.49, 0.5]).outcome == "worse"


def test_a_loss_improves_downwards():
    verdict = compare([1.0, 1.1, 0.9], [0.5, 0.55, 0.5], direction="min")
    assert verdict.outcome == "improved"
    assert verdict.difference > 0


def test_noise_is_no_evidence():
    verdict = compare([0.5, 0.6, 0.4, 0.55, 0.45], [0.55, 0.5, 0.5, 0.6, 0.4])
    assert verdict.outcome == "no evidence of improvement"
    assert verdict.low < 0 < verdict.high


@pytest.mark.parametrize(
    ("shift", "outcome"), [(0.0, "no evidence of improvement"), (0.05, "improved"), (-0.05, "worse")]
)
def test_equal_differences_give_a_point_and_say_so(shift, outcome):
    before = [0.1, 0.7, 0.3, 0.9, 0.2]
    verdict = compare(before, [b + shift for b in before])
    assert verdict.outcome == outcome
    assert verdict.low == verdict.high == verdict.difference == pytest.approx(shift)
    assert verdict.p_value is None
    assert "does not measure chance" in str(verdict)


def test_the_text():
    lines = str(compare([0.5, 0.6, 0.55, 0.5, 0.6], [0.6, 0.65, 0.68, 0.61, 0.69])).splitlines()
    assert lines[0].startswith("Before optimization: 0.55")
    assert lines[1].startswith("After optimization:  0.64")
    assert lines[2].startswith("Improvement:         +0.09")
    assert lines[2].endswith("(95 % interval, 5 paired seeds)")
    assert lines[3].startswith("p:                   0.0")
    assert lines[4].endswith("improved")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ([0.5], [0.6], "1 pairs"),
        ([0.5, 0.5], [0.6], "2 scores before and 1 after"),
        ([0.5, math.nan], [0.6, 0.6], "before"),
        ([0.5, 0.5], [0.6, math.inf], "after"),
    ],
)
def test_bad_input(before, after, message):
    with pytest.raises(InputError, match=message):
        compare(before, after)


def test_bad_direction_and_confidence():
    with pytest.raises(InputError, match="direction"):
        compare([1, 2], [2, 4], direction="up")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="confidence"):
        compare([1, 2], [2, 4], confidence=95)


def accuracies(rng, n_rows=80):
    return rng.binomial(n_rows, 0.6, size=5) / n_rows


@pytest.mark.slow
@pytest.mark.parametrize("draw", [lambda rng: rng.normal(0.6, 0.03, size=5), accuracies])
def test_a_change_that_does_nothing_is_rarely_called_improved(draw):
    rng = np.random.default_rng(7)
    outcomes = [compare(draw(rng), draw(rng)).outcome for _ in range(3000)]
    rates = [outcomes.count(outcome) / len(outcomes) for outcome in ("improved", "worse")]
    assert max(rates) < 0.035
    assert min(rates) > 0.015


@pytest.mark.slow
def test_a_real_difference_is_found_mostly():
    rng = np.random.default_rng(8)
    outcomes = [compare(rng.normal(0.6, 0.02, 5), rng.normal(0.66, 0.02, 5)).outcome for _ in range(300)]
    assert outcomes.count("improved") / 300 > 0.9


def hit_rates(rng, n_seeds, n_clusters, gain, rows=100):
    """Shares by cluster, before and after: clusters differ, gain or lose by the change, and seeds differ."""
    ease = rng.normal(0, 0.05, n_clusters)
    moved = rng.normal(0, 0.015, n_clusters)
    luck = rng.normal(0, 0.01, (2, n_seeds, 1))
    chances = np.stack([0.6 + ease + luck[0], 0.6 + gain + ease + moved + luck[1]])
    return rng.binomial(rows, np.clip(chances, 0, 1)) / (rows * n_clusters)


def judged(rng, n_seeds, n_clusters, gain=0.0):
    before, after = hit_rates(rng, n_seeds, n_clusters, gain)
    counts = cluster_counts(n_clusters, seed=int(rng.integers(2**31)), n_draws=1000)
    drawn = Resampled(before @ counts.T, after @ counts.T, n_clusters)
    return compare(list(before.sum(axis=1)), list(after.sum(axis=1)), resampled=drawn)


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "n_clusters"), [(7, 4), (7, 10), (7, 40), (20, 10)])
def test_a_change_that_does_nothing_is_called_improved_in_at_most_a_twentieth(n_seeds, n_clusters):
    rng = np.random.default_rng(9)
    outcomes = [judged(rng, n_seeds, n_clusters).outcome for _ in range(400)]
    assert outcomes.count("improved") / 400 <= 0.05
    assert outcomes.count("worse") / 400 <= 0.05


@pytest.mark.slow
def test_three_points_are_found_with_enough_test_subjects():
    rng = np.random.default_rng(10)
    outcomes = [judged(rng, 7, 60, gain=0.03).outcome for _ in range(200)]
    assert outcomes.count("improved") / 200 >= 0.8
    assert outcomes.count("worse") == 0


@pytest.mark.slow
def test_the_interval_covers_the_truth():
    rng = np.random.default_rng(12)
    covered = [verdict.low <= 0.03 <= verdict.high for verdict in (judged(rng, 7, 12, gain=0.03) for _ in range(400))]
    assert sum(covered) / 400 >= 0.95


def test_a_verdict_needs_both_the_interval_and_the_permutation_test():
    before, after = np.full((5, 6), 0.1), np.full((5, 6), 0.11)
    counts = cluster_counts(6, 0)
    drawn = Resampled(before @ counts.T, after @ counts.T, 6)
    verdict = compare([0.6] * 5, [0.66] * 5, resampled=drawn)
    assert verdict.low > 0
    assert verdict.p_value == 2 / 2**5
    assert verdict.outcome == "no evidence of improvement"
    assert "sign flips" in str(verdict)
    assert "5 paired seeds, 6 subjects" in str(verdict)


def test_a_loss_that_falls_on_all_clusters_is_an_improvement():
    rng = np.random.default_rng(0)
    before = rng.normal(1.0, 0.01, (7, 9))
    counts = cluster_counts(9, 0) / 9
    drawn = Resampled(before @ counts.T, 0.8 * before @ counts.T, 9)
    verdict = compare(list(before.mean(axis=1)), list(0.8 * before.mean(axis=1)), "min", resampled=drawn)
    assert verdict.outcome == "improved"
    assert 0 < verdict.low < 0.2 < verdict.high


@pytest.mark.parametrize(("shape", "n_clusters"), [((6, 10), 4), ((7,), 4), ((7, 10), 1)])
def test_resampled_scores_that_do_not_fit_are_refused(shape, n_clusters):
    drawn = Resampled(np.zeros(shape), np.zeros(shape), n_clusters)
    with pytest.raises(InputError, match=r"Expected two arrays of shape \(7, draws\)"):
        compare([0.1] * 7, [0.2] * 7, resampled=drawn)


def test_the_bootstrap_of_thirty_subjects_takes_a_moment():
    began = time.perf_counter()
    judged(np.random.default_rng(0), 7, 30)
    assert time.perf_counter() - began < 5
