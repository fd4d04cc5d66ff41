"""The smallest improvement that a verification can detect, computed before anything is trained.

The mean difference d of n_seeds pairs on the test part has the variance

    2 · spread² / n_seeds  +  2 · score · (1 - score) / n_effective

The first term is the run-to-run spread of a score, twice for two sides. The second is the binomial variance from the
choice of test rows, for metrics between 0 and 1, as if "before" and "after" erred on unrelated rows; they share some of
their errors, so it is an upper bound. Rows of one subject are alike: n_effective = n_test / (1 + (m - 1) · ICC) for m
rows per subject (Kish, "Survey Sampling", 1965).

The re-trainings of a search give better bounds. Today's configuration and the finalists were trained on the same seeds
and splits. The variance v of their differences, each on n_measured rows, contains the contributions of seeds and rows
together, and so bounds each of them:

    v / n_seeds  +  v · n_measured / n_test

For each of the two terms the smaller bound is used. A two-sided test at 5 % finds a true difference of
(t_.975 + t_.80) · SE in 80 % of cases (Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988), with
the degrees of freedom and the small-sample factor of the interval (`statistics.bootstrap`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from truetune.data.clusters import MOST_BLOCKS
from truetune.statistics.permutation import MOST_EXACT

POWER, SIGNIFICANCE = 0.80, 0.05

ASSUMED_SPREAD = 0.02
"""Run-to-run standard deviation of a metric between 0 and 1, if it is unknown."""

ASSUMED_SCORE = 0.5
"""Of a metric between 0 and 1: the score with the largest variance."""

ASSUMED_CORRELATION = 0.05
"""Correlation between two rows of one subject in being right or wrong."""

SHARES = ("accuracy", "acc", "uar", "auc", "precision", "recall", "f1", "f1_score", "jaccard", "dice")
"""Metrics between 0 and 1, by the end of their names."""


@dataclass(frozen=True)
class Design:
    """What is known about a verification before it trains.

    Attributes:
        metric: name of the objective's metric, without `val_`.
        n_seeds: pairs of trainings.
        n_test: test rows.
        n_subjects: test subjects; None for independent rows.
        score: expected value of the metric; None if unknown.
        spread: standard deviation of the metric between trainings; None if unknown.
        difference: standard deviation of the difference of two configurations between parts, each part with its own
            seed; None if unknown.
        n_measured: rows that each such difference was measured on.
    """

    metric: str
    n_seeds: int
    n_test: int
    n_subjects: int | None = None
    score: float | None = None
    spread: float | None = None
    difference: float | None = None
    n_measured: int = 0

    @property
    def is_share(self) -> bool:
        """Whether the metric lies between 0 and 1, so that the variance from the test rows can be bounded."""
        return self.metric.casefold().endswith(SHARES)

    @property
    def n_clusters(self) -> int:
        return self.n_subjects or min(MOST_BLOCKS, self.n_test)


def standard_error(design: Design) -> float | None:
    """Of the mean difference; None for a metric without bounds about which nothing is known."""
    seeds, rows = _by_seeds(design), _by_rows(design)
    return None if seeds is None else math.sqrt(seeds / design.n_seeds + rows)


def _by_seeds(design: Design) -> float | None:
    """Variance of one pair's difference that comes from the seed."""
    known = [] if design.spread is None else [2 * design.spread**2]
    known += [] if design.difference is None else [design.difference**2]
    if not known and design.is_share:
        known = [2 * ASSUMED_SPREAD**2]
    return min(known, default=None)


def _by_rows(design: Design) -> float:
    """Variance of the mean difference that comes from the choice of test rows, as far as it is known."""
    known = [] if design.difference is None else [design.difference**2 * design.n_measured / design.n_test]
    if design.is_share:
        score = ASSUMED_SCORE if design.score is None else min(max(design.score, 0.0), 1.0)
        known.append(2 * score * (1 - score) / effective_rows(design))
    return min(known, default=0.0)


def effective_rows(design: Design) -> float:
    """The number of independent rows that would be as informative."""
    if design.n_subjects is None:
        return design.n_test
    a_subject = design.n_test / design.n_subjects
    return design.n_test / (1 + (max(a_subject, 1.0) - 1) * ASSUMED_CORRELATION)


def smallest_detectable(design: Design) -> float | None:
    """The true difference that is detected with 80 % power; None if it cannot be computed.

    Infinite with one test cluster or one seed, and with so few seeds that p cannot fall below 5 %.
    """
    from scipy import stats

    error, n = standard_error(design), min(design.n_seeds, design.n_clusters)
    if error is None:
        return None
    if n < 2 or smallest_p_value(design.n_seeds) >= SIGNIFICANCE:
        return math.inf
    quantiles = stats.t.ppf([1 - SIGNIFICANCE / 2, POWER], n - 1)
    return float(quantiles.sum()) * error * math.sqrt(n / (n - 1))


def smallest_p_value(n_seeds: int) -> float:
    """The smallest p-value of the permutation test: two of all sign flips give the most extreme mean."""
    return 2.0 / 2.0 ** min(n_seeds, MOST_EXACT)


def foresee(design: Design) -> str:
    """Describe what this verification can detect, and what more seeds or subjects would change."""
    lines = []
    if smallest_p_value(design.n_seeds) >= SIGNIFICANCE:
        lines.append(
            f"With {design.n_seeds} seeds p cannot fall below {smallest_p_value(design.n_seeds):g}, so the verdict "
            "will be 'no evidence of improvement' in any case. Use at least 6 seeds."
        )
        design = replace(design, n_seeds=6)
    found = smallest_detectable(design)
    if found is None:
        return "\n".join([*lines, _unknown(design)])
    more = "; ".join(f"{n} seeds: {_about(replace(design, n_seeds=n))}" for n in _more(design.n_seeds))
    lines.append(
        f"With {design.n_seeds} seeds and {_tested(design)}, this verification can detect a difference of about "
        f"{found:.2g} in {design.metric} (80 % power). {more}.{_advice(design)}"
    )
    return "\n".join([*lines, _assumed(design)])


def _more(n_seeds: int) -> tuple[int, int]:
    return 2 * n_seeds, 4 * n_seeds


def _about(design: Design) -> str:
    return f"{smallest_detectable(design):.2g}"


def _tested(design: Design) -> str:
    return f"{design.n_test} test rows" if design.n_subjects is None else f"{design.n_subjects} test subjects"


def _advice(design: Design) -> str:
    """Whether doubling the test part would help more than doubling the seeds."""
    if not design.is_share:
        return ""
    n_subjects = None if design.n_subjects is None else 2 * design.n_subjects
    larger = smallest_detectable(replace(design, n_test=2 * design.n_test, n_subjects=n_subjects))
    repeated = smallest_detectable(replace(design, n_seeds=2 * design.n_seeds))
    if larger is None or repeated is None or larger >= repeated:
        return ""
    return f" More {'test rows' if n_subjects is None else 'test subjects'} would help more."


def _assumed(design: Design) -> str:
    if design.difference is not None:
        return (
            "Assumed: the difference varies like that between the finalists and today's config, with a standard "
            f"deviation of {design.difference:.2g} between parts of {design.n_measured} validation rows."
        )
    assumed = []
    if design.spread is None:
        assumed.append(f"scores vary by {ASSUMED_SPREAD:g} between trainings")
    if design.is_share and design.score is None:
        assumed.append(f"a score of {ASSUMED_SCORE:g}")
    if design.is_share and design.n_subjects is not None:
        assumed.append(f"a correlation of {ASSUMED_CORRELATION:g} between rows of one subject")
    if design.is_share:
        assumed.append("before and after err on unrelated rows (the worst case)")
    else:
        assumed.append(f"no variance from the choice of sealed rows, because {design.metric} has no bounds")
    return f"Assumed: {'; '.join(assumed)}."


def _unknown(design: Design) -> str:
    return (
        f"The smallest detectable difference in {design.metric} is unknown: the metric has no bounds, and its spread "
        "between trainings has not been measured. The interval narrows with the square root of the number of seeds."
    )
