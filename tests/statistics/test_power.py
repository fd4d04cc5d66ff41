"""What is promised before the training is about what happens."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from truetune.statistics.bootstrap import Resampled, cluster_counts
from truetune.statistics.power import Design, effective_rows, foresee, smallest_detectable, standard_error
from truetune.statistics.verdict import compare

KNOWN = Design("accuracy", n_seeds=7, n_test=400, n_subjects=10, score=0.8, spread=0.01)


def test_the_standard_error_is_that_of_the_formula():
    rows = 400 / (1 + 39 * 0.05)
    assert effective_rows(KNOWN) == pytest.approx(rows)
    assert standard_error(KNOWN) == pytest.approx(math.sqrt(2 * 0.01**2 / 7 + 2 * 0.16 / rows))


def test_the_smallest_difference_is_that_of_the_formula():
    t = stats.t.ppf(0.975, 6) + stats.t.ppf(0.80, 6)
    assert smallest_detectable(KNOWN) == pytest.approx(t * standard_error(KNOWN) * math.sqrt(7 / 6))


@pytest.mark.parametrize(
    "better",
    [{"n_seeds": 14}, {"n_subjects": 20, "n_test": 800}, {"spread": 0.0}, {"score": 0.95}, {"n_subjects": None}],
)
def test_more_of_it_or_less_noise_finds_smaller_differences(better):
    assert smallest_detectable(replace(KNOWN, **better)) < smallest_detectable(KNOWN)


@pytest.mark.parametrize("n_seeds", [2, 5])
def test_too_few_seeds_find_nothing_and_say_what_would(n_seeds):
    design = replace(KNOWN, n_seeds=n_seeds)
    assert smallest_detectable(design) == math.inf
    said = foresee(design)
    assert f"With {n_seeds} seeds p cannot fall below {2 / 2**n_seeds:g}" in said
    assert "With 6 seeds and 10 test subjects" in said


def test_what_is_said():
    lines = foresee(Design("uar", 7, 90, 4)).splitlines()
    assert lines[0].startswith(
        "With 7 seeds and 4 test subjects, this verification can detect a difference of about 0."
    )
    assert "in uar (80 % power). 14 seeds: 0." in lines[0]
    assert lines[0].endswith("More test subjects would help more.")
    assert "scores vary by 0.02 between trainings; a score of 0.5" in lines[1]
    known = foresee(KNOWN)
    assert "varies by" not in known
    assert "a score of" not in known
    assert "correlation of 0.05" in known


def test_more_seeds_are_advised_where_seeds_are_the_noise():
    assert "would help more" not in foresee(Design("accuracy", 7, 100_000, None, 0.8, 0.05))


def test_a_metric_without_bounds_needs_a_spread():
    unknown = Design("loss", 7, 100)
    assert smallest_detectable(unknown) is None
    assert "is unknown: the metric has no bounds" in foresee(unknown)
    known = replace(unknown, spread=0.1)
    assert smallest_detectable(known) > 0
    assert "no variance from the choice of sealed rows" in foresee(known)


def test_one_test_row_is_said_to_find_nothing():
    assert smallest_detectable(Design("accuracy", 7, 1)) == math.inf


def test_what_fresh_runs_say_of_the_difference_bounds_both_parts():
    informed = replace(KNOWN, difference=0.02, n_measured=100)
    rows = 400 / (1 + 39 * 0.05)
    assert standard_error(informed) == pytest.approx(math.sqrt(2 * 0.01**2 / 7 + 0.02**2 * 100 / 400))
    vague = replace(KNOWN, difference=0.5, n_measured=100)
    assert standard_error(vague) == pytest.approx(math.sqrt(2 * 0.01**2 / 7 + 2 * 0.16 / rows))
    loss = Design("loss", 7, 100, difference=0.1, n_measured=50)
    assert standard_error(loss) == pytest.approx(math.sqrt(0.1**2 / 7 + 0.1**2 / 2))
    assert "deviation of 0.02 between parts of 100 validation rows" in foresee(informed)
    assert "worst case" not in foresee(informed)


@pytest.mark.slow
def test_where_before_and_after_share_errors_less_is_promised_to_be_enough_and_is():
    n_measured, score, spread = 200, 0.7, 0.01
    rng = np.random.default_rng(3)
    rows = rng.random((2000, n_measured))
    sides = [(rows < rng.normal(score, spread, (2000, 1))).mean(axis=1) for _ in range(2)]
    known = {"difference": float(np.std(sides[0] - sides[1], ddof=1)), "n_measured": n_measured}
    blind = Design("accuracy", 10, 1000, None, score, spread)
    design = replace(blind, **known)
    gain = smallest_detectable(design)
    assert gain < smallest_detectable(blind) / 2
    found = list(verdicts(replace(design, n_subjects=25), gain, shared=True)).count("improved") / 300
    assert found > 0.75


def verdicts(design, gain, n=300, shared=False):
    """Trainings as the formula sees them: right on a row with a probability that varies by seed; unrelated rows, or
    `shared` ones, which are as hard for one as for the other.
    """
    rng = np.random.default_rng(11)
    a_block = design.n_test // design.n_clusters
    for i in range(n):
        score = [
            np.clip(rng.normal(m, design.spread, (design.n_seeds, 1)), 0, 1)
            for m in (design.score, design.score + gain)
        ]
        rows = [rng.random((design.n_clusters, a_block)) for _ in score]
        rows = [rows[0], rows[0]] if shared else rows
        hits = [np.array([(r < p).sum(axis=1) for p in s]) for r, s in zip(rows, score, strict=True)]
        counts = cluster_counts(design.n_clusters, i, 500)
        drawn = [h @ counts.T / design.n_test for h in hits]
        scores = [list(h.sum(axis=1) / design.n_test) for h in hits]
        yield compare(*scores, resampled=Resampled(*drawn, design.n_clusters, seed=i)).outcome


@pytest.mark.slow
def test_the_promised_difference_is_found_about_as_often_as_promised():
    design = Design("accuracy", 10, 1000, None, score=0.7, spread=0.01)
    blocks = replace(design, n_subjects=25)  # 25 clusters of unrelated rows
    gain = smallest_detectable(replace(design, n_subjects=None))
    found = list(verdicts(blocks, gain)).count("improved") / 300
    assert 0.70 < found < 0.95
