"""The verdict says "improved" only with evidence, and rarely without a reason."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from truetune.errors import InputError
from truetune.results.verdict import compare


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
    assert "says nothing of chance" in str(verdict)


def test_the_text():
    lines = str(compare([0.5, 0.6, 0.55, 0.5, 0.6], [0.6, 0.65, 0.68, 0.61, 0.69])).splitlines()
    assert lines[0].startswith("Before optimization: 0.55")
    assert lines[1].startswith("After optimization:  0.64")
    assert lines[2].startswith("Improvement:         +0.09")
    assert lines[2].endswith("(95 % interval, 5 paired seeds)")
    assert lines[3].endswith("improved")


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


@pytest.mark.parametrize("draw", [lambda rng: rng.normal(0.6, 0.03, size=5), accuracies])
def test_a_change_that_does_nothing_is_rarely_called_improved(draw):
    rng = np.random.default_rng(7)
    outcomes = [compare(draw(rng), draw(rng)).outcome for _ in range(3000)]
    rates = [outcomes.count(outcome) / len(outcomes) for outcome in ("improved", "worse")]
    assert max(rates) < 0.035
    assert min(rates) > 0.015


def test_a_real_difference_is_found_mostly():
    rng = np.random.default_rng(8)
    outcomes = [compare(rng.normal(0.6, 0.02, 5), rng.normal(0.66, 0.02, 5)).outcome for _ in range(300)]
    assert outcomes.count("improved") / 300 > 0.9
