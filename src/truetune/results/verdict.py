"""Is "after" better than "before"? A paired comparison with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from truetune.errors import InputError

Outcome = Literal["improved", "no evidence of improvement", "worse"]

ROUNDING = 1e-12
"""Differences that spread less than this, relative to their size, are equal but for floating-point rounding."""


@dataclass(frozen=True)
class Verdict:
    """What a paired comparison found.

    Attributes:
        before_mean, after_mean: means of the scores, in the metric's own direction.
        difference: mean improvement: positive is better, for metrics to minimise too.
        low, high: the interval of `difference` at `confidence`.
        p_value: two-sided; None where all differences are equal, since no spread can be estimated from them.
        outcome: "improved" when the whole interval lies above 0, "worse" when it lies below.
        n: number of pairs.
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

    def __str__(self) -> str:
        lines = [
            f"Before optimization: {self.before_mean:.4f}",
            f"After optimization:  {self.after_mean:.4f}",
            f"Improvement:         {self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}] "
            f"({100 * self.confidence:g} % interval, {self.n} paired seeds)",
            f"Verdict:             {self.outcome}",
        ]
        if self.p_value is None:
            lines.append(
                "All pairs differ by the same amount: an interval without width, which says nothing of chance."
            )
        return "\n".join(lines)


def compare(
    before: Sequence[float],
    after: Sequence[float],
    direction: Literal["min", "max"] = "max",
    confidence: float = 0.95,
) -> Verdict:
    """Student's paired t interval of the improvement.

    Pairing removes what both members of a pair share (seed, data). The interval covers the chance in training; it
    does not cover the choice of the test rows, which all pairs share.

    Args:
        before, after: scores, element i of both from the same seed.
        direction: whether a higher ("max") or a lower ("min") score is better.
        confidence: of the interval, between 0 and 1. With 0.95 a change that does nothing is called "improved" in
            at most about 2.5 % of comparisons.

    Raises:
        InputError: fewer than two pairs, lengths that differ, or a score that is not finite.
    """
    _check(before, after, direction, confidence)
    first, second = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    improvements = second - first if direction == "max" else first - second
    mean, low, high, p_value = _interval(improvements, confidence)
    return Verdict(
        before_mean=float(first.mean()),
        after_mean=float(second.mean()),
        difference=mean,
        low=low,
        high=high,
        p_value=p_value,
        outcome=_outcome(low, high),
        n=len(improvements),
        confidence=confidence,
    )


def _interval(differences: np.ndarray, confidence: float) -> tuple[float, float, float, float | None]:
    """(mean, low, high, two-sided p); the interval is the point where all differences are equal."""
    from scipy import stats

    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    if spread <= ROUNDING * max(1.0, abs(mean)):
        mean = 0.0 if abs(mean) <= ROUNDING else mean
        return mean, mean, mean, None
    error = spread / math.sqrt(len(differences))
    freedom = len(differences) - 1
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error
    return mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, freedom))


def _outcome(low: float, high: float) -> Outcome:
    if low > 0:
        return "improved"
    return "worse" if high < 0 else "no evidence of improvement"


def _check(before: Sequence[float], after: Sequence[float], direction: str, confidence: float) -> None:
    if len(before) != len(after):
        raise InputError(
            f"{len(before)} scores before and {len(after)} after were given. Expected pairs: one of each per seed."
        )
    if len(before) < 2:
        raise InputError(f"{len(before)} pairs were given. Expected at least 2 (better 5): an interval needs them.")
    for name, scores in (("before", before), ("after", after)):
        if not np.isfinite(np.asarray(scores, dtype=float)).all():
            raise InputError(
                f"The scores {name} are {list(scores)}. Expected finite numbers; a training that diverged has no score."
            )
    if direction not in ("min", "max"):
        raise InputError(f"The direction is {direction!r}. Expected 'min' or 'max'.")
    if not 0 < confidence < 1:
        raise InputError(f"The confidence is {confidence}. Expected a number between 0 and 1, such as 0.95.")
