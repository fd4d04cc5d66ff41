"""The permutation test is scipy's, and exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from truetune.statistics.permutation import sign_flip_p_value


@pytest.mark.parametrize("n", [2, 5, 7, 10])
@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_p_value_is_that_of_scipy(n, shift):
    rng = np.random.default_rng(n)
    before, after = rng.normal(size=n), rng.normal(shift, size=n)
    reference = stats.permutation_test(
        (after, before), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p_value(after - before) == pytest.approx(reference.pvalue)


def test_the_smallest_p_value_is_two_of_all_flips():
    assert sign_flip_p_value(np.full(7, 0.1)) == 2 / 2**7
    assert sign_flip_p_value(np.array([0.3, 0.2, 0.1, 0.4, 0.5, 0.6])) == 2 / 2**6


def test_no_difference_is_no_evidence():
    assert sign_flip_p_value(np.zeros(7)) == 1.0
    assert sign_flip_p_value(np.array([0.1, -0.1, 0.1, -0.1])) == 1.0


def test_many_pairs_are_estimated_and_never_0():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.4, 1.0, size=20)
    exact = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_p_value(differences) == pytest.approx(exact, abs=0.02)
    assert sign_flip_p_value(differences) == sign_flip_p_value(differences)
    assert sign_flip_p_value(np.ones(20)) == pytest.approx(1 / 10_001)


@pytest.mark.slow
def test_p_is_uniform_where_nothing_happened():
    rng = np.random.default_rng(5)
    found = np.array([sign_flip_p_value(rng.normal(size=8)) for _ in range(2000)])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(found <= level) == pytest.approx(level, abs=0.03)
