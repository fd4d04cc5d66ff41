"""A permutation test of paired differences: could their signs be chance?"""

from __future__ import annotations

import numpy as np

from truetune.data.dataset import Array

MOST_EXACT = 14
"""Up to this many pairs, all 2^n sign flips are tried."""

RANDOM_FLIPS = 10_000

ROUNDING = 1e-12
"""Means of flipped differences that differ by less than this, relative to the differences, are equal."""


def sign_flip_p_value(differences: Array, seed: int = 0) -> float:
    """Two-sided p-value of the mean of `differences`, shape (n,).

    If "before" and "after" are exchangeable within a pair, the sign of each difference is a coin flip. The p-value is
    the fraction of all 2^n sign flips whose mean is at least as far from 0 (Fisher, "The Design of Experiments", 1935);
    it cannot be smaller than 2 / 2^n. For more than 14 pairs it is estimated from 10 000 random flips, including the
    observed one (Phipson & Smyth, "Permutation P-values Should Never Be Zero", 2010).
    """
    n = len(differences)
    if n <= MOST_EXACT:
        flips = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
        return float(np.mean(_as_far(flips, differences)))
    flips = np.random.default_rng(seed).choice((-1, 1), size=(RANDOM_FLIPS, n))
    return float((1 + np.sum(_as_far(flips, differences))) / (1 + RANDOM_FLIPS))


def _as_far(flips: Array, differences: Array) -> Array:
    slack = ROUNDING * np.abs(differences).sum()
    return np.asarray(np.abs(flips @ differences) >= abs(differences.sum()) - slack)
