"""Is "after" better than "before"? A paired comparison with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from truetune.errors import InputError
from truetune.statistics.bootstrap import Resampled, half_width
from truetune.statistics.permutation import sign_flip_p_value

Outcome = Literal["improved", "no evidence of improvement", "worse"]

ROUNDING = 1e-12
"""Differences that spread less than this, relative to their size, are equal up to floating-point rounding."""


@dataclass(frozen=True)
class Verdict:
    """The result of a paired comparison.

    Attributes:
        before_mean, after_mean: means of the scores, in the metric's own direction.
        difference: mean improvement; positive is better, also for minimized metrics.
        low, high: the interval of `difference` at `confidence`.
        p_value: two-sided; of a permutation test if clusters were resampled, else of the t test (None if all
            differences are equal, since no spread can be estimated from them).
        outcome: "improved" if the whole interval lies above 0 and p is small enough for `confidence`, "worse" if it
            lies below.
        n: number of pairs.
        n_clusters: test clusters whose variation the interval covers; None if it covers the seeds' alone.
        by: kind of the clusters, as `Clusters.by`.
    """

    before_mean: float
    after_mean: float
    difference: float
    low: float
    high: float
    p_value: float | None
    outcome: Outcome
    n: int
    confidence: float = 0.95
    n_clusters: int | None = None
    by: str = "subjects"

    def __str__(self) -> str:
        covered = f"{self.n} paired seeds" + ("" if self.n_clusters is None else f", {self.n_clusters} {self.by}")
        lines = [
            f"Before optimization: {self.before_mean:.4f}",
            f"After optimization:  {self.after_mean:.4f}",
            f"Improvement:         {self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}] "
            f"({100 * self.confidence:g} % interval, {covered})",
            *([] if self.p_value is None else [f"p:                   {self.p_value:.4f} ({self._test})"]),
            f"Verdict:             {self.outcome}",
        ]
        if self.low == self.high:
            lines.append(
                "All pairs differ by the same amount, so the interval has no width and does not measure chance."
            )
        return "\n".join(lines)

    @property
    def _test(self) -> str:
        return "paired t test" if self.n_clusters is None else "sign flips of the seeds' differences"


def compare(
    before: Sequence[float],
    after: Sequence[float],
    direction: Literal["min", "max"] = "max",
    confidence: float = 0.95,
    resampled: Resampled | None = None,
) -> Verdict:
    """The mean improvement with its interval, and whether it is more than chance.

    Pairing removes what both members of a pair share (seed, data).

    With `resampled`, the interval covers the variation of training and of test clusters, by a crossed bootstrap, and p
    comes from a permutation test over the seeds. That test asks whether the trainings differ on these test rows; the
    interval also covers other test rows. A verdict needs both. Without `resampled`, interval and p come from Student's
    t of the paired scores, which covers the variation of training only, because all pairs share the test rows.

    Args:
        before, after: scores, element i of both from the same seed.
        direction: whether a higher ("max") or a lower ("min") score is better.
        confidence: of the interval, between 0 and 1. With 0.95, a change without effect is called "improved" in at
            most about 2.5 % of comparisons.
        resampled: scores on resampled test clusters, at least 2 of them; rows as in `before` and `after`.

    Raises:
        InputError: fewer than two pairs, different lengths, or a score that is not finite.
    """
    _check(before, after, direction, confidence)
    first, second = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    improvements = second - first if direction == "max" else first - second
    if resampled is None:
        mean, low, high, p_value = _student(improvements, confidence)
    else:
        _check_resampled(resampled, len(improvements))
        mean, low, high, p_value = _crossed(improvements, resampled, confidence)
    return Verdict(
        before_mean=float(first.mean()),
        after_mean=float(second.mean()),
        difference=mean,
        low=low,
        high=high,
        p_value=p_value,
        outcome=_outcome(low, high, p_value, 1 - confidence),
        n=len(improvements),
        confidence=confidence,
        n_clusters=None if resampled is None else resampled.n_clusters,
        by="subjects" if resampled is None else resampled.by,
    )


TestedMean = tuple[float, float, float, float | None]
"""(mean, low, high, two-sided p)"""


def _student(differences: np.ndarray, confidence: float) -> TestedMean:
    """If all differences are equal, the interval is a point."""
    from scipy import stats

    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    if spread <= ROUNDING * max(1.0, abs(mean)):
        mean = 0.0 if abs(mean) <= ROUNDING else mean
        return mean, mean, mean, None
    error = spread / math.sqrt(len(differences))
    freedom = len(differences) - 1
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error
    return mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, freedom))


def _crossed(differences: np.ndarray, resampled: Resampled, confidence: float) -> TestedMean:
    mean, half = float(differences.mean()), half_width(resampled, confidence)
    return mean, mean - half, mean + half, sign_flip_p_value(differences, resampled.seed)


def _outcome(low: float, high: float, p_value: float | None, significance: float) -> Outcome:
    if p_value is not None and p_value >= significance:
        return "no evidence of improvement"
    if low > 0:
        return "improved"
    return "worse" if high < 0 else "no evidence of improvement"


def _check_resampled(resampled: Resampled, n_pairs: int) -> None:
    shapes = np.shape(resampled.before), np.shape(resampled.after)
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][0] != n_pairs or resampled.n_clusters < 2:
        raise InputError(
            f"Resampled scores of shapes {shapes[0]} and {shapes[1]} over {resampled.n_clusters} clusters were given. "
            f"Expected two arrays of shape ({n_pairs}, draws), and at least 2 clusters."
        )


def _check(before: Sequence[float], after: Sequence[float], direction: str, confidence: float) -> None:
    if len(before) != len(after):
        raise InputError(
            f"{len(before)} scores before and {len(after)} after were given. Expected one of each per seed."
        )
    if len(before) < 2:
        raise InputError(f"{len(before)} pairs were given. Expected at least 2, better 5, to estimate an interval.")
    for name, scores in (("before", before), ("after", after)):
        if not np.isfinite(np.asarray(scores, dtype=float)).all():
            raise InputError(
                f"The scores {name} are {list(scores)}. Expected finite numbers; a training that diverged has no score."
            )
    if direction not in ("min", "max"):
        raise InputError(f"The direction is {direction!r}. Expected 'min' or 'max'.")
    if not 0 < confidence < 1:
        raise InputError(f"The confidence is {confidence}. Expected a number between 0 and 1, such as 0.95.")
