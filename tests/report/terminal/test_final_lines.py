"""The sentences about the re-evaluation: both scores, the optimism, today's config, and what to do."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from truetune.objective import Objective
from truetune.report.terminal.final_lines import final_lines, shown
from truetune.report.terminal.summary import print_summary
from truetune.result import NOT_CONFIRMED, Result
from truetune.results.finalists import FreshTraining
from truetune.space import Hyperparameter, Space
from truetune.statistics.intervals import Estimate
from truetune.trial import CHOOSING, CONFIRMING, FreshRun, Trial, TrialState

ACCURACY = Objective("val_accuracy", "max")


def runs(number, scores, stage):
    return [FreshRun(number, i, stage, score, score + 0.008, 1.0) for i, score in enumerate(scores)]


def result(fresh, n_runs=3):
    space = Space()
    space.add(Hyperparameter("Int", "units", 8, low=8, high=64, step=8))
    trials = tuple(
        Trial(n, TrialState.COMPLETE, {"units": 8 + 8 * n}, score=s, epochs=3, best_epoch=2)
        for n, s in enumerate((0.65, 0.712))
    )
    training = FreshTraining(5, n_runs)
    return Result("study", "sqlite:///x.db", ACCURACY, trials, space, {}, fresh=tuple(fresh), training=training)


def searched(today, winner, n_runs=3):
    """Fresh runs that choose trial 1, and these of the confirming stage."""
    n = range(n_runs)
    chosen = runs(0, [0.650 + i / 1000 for i in n], CHOOSING) + runs(1, [0.705 + i / 1000 for i in n], CHOOSING)
    return result([*chosen, *runs(0, today, CONFIRMING), *runs(1, winner, CONFIRMING)], n_runs)


def text_of(found):
    return "\n".join(final_lines(found))


def summary_of(found, tmp_path):
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    print_summary(console, found, tmp_path / "best.json", "truetune apply")
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.703, 0.681, 0.725, 3), "0.703 [0.681, 0.725]"),
        (Estimate(0.70312, 0.70212, 0.70412, 3), "0.7031 [0.7021, 0.7041]"),
        (Estimate(12.3, 10.0, 14.6, 3), "12.300 [10.000, 14.600]"),
        (Estimate(0.703, None, None, 1), "0.7030 (no interval)"),
    ],
)
def test_an_estimate_is_shown_as_exactly_as_it_is_known(estimate, text):
    assert shown(estimate) == text


def test_a_gain_beyond_the_noise_is_applied(tmp_path):
    found = searched([0.65, 0.66, 0.64], [0.70, 0.71, 0.699])
    lines = final_lines(found)
    assert lines[0].startswith("Search score 0.712 (trial 1); mean of 3 re-trainings 0.703 [0.")
    assert "Optimism of choosing the epoch: 0.0080" in lines[1]
    assert lines[2].startswith("Today's config: search score 0.6500 (trial 0); mean of 3 re-trainings 0.650 [")
    assert lines[3].startswith("Gain over today's config: +0.053 [+0.0")
    assert lines[-1] == "Recommendation: apply the winner: its gain is beyond the noise."
    assert summary_of(found, tmp_path).rstrip().endswith("Next: truetune apply")


def test_within_the_noise_todays_config_is_kept(tmp_path):
    text = summary_of(searched([0.71, 0.66, 0.70], [0.70, 0.71, 0.69]), tmp_path)
    assert "keep today's config: the winner's gain is within the noise." in text
    assert "You can keep today's config." in text
    assert "Next:" not in text


def test_a_winner_that_loses_when_confirmed_is_not_recommended():
    assert "it did as well or better" in text_of(searched([0.75, 0.76, 0.75], [0.65, 0.67, 0.66]))


def test_a_winner_that_is_no_different_is_not_recommended():
    assert "it did as well or better" in text_of(searched([0.75, 0.76, 0.75], [0.75, 0.76, 0.75]))


def test_todays_config_that_wins_is_kept():
    today = runs(0, [0.80, 0.81, 0.82], CHOOSING) + runs(0, [0.8, 0.81, 0.79], CONFIRMING)
    text = text_of(result([*today, *runs(1, [0.6, 0.61, 0.62], CHOOSING)]))
    assert "Search score 0.650 (trial 0); mean of 3 re-trainings 0.800 [" in text
    assert "it is the best of the finalists" in text
    assert "Today's config:" not in text


def test_one_run_says_that_there_is_no_interval():
    text = text_of(searched([0.65], [0.70], n_runs=1))
    assert "1 re-training 0.7000 (no interval)" in text
    assert "cannot show whether the winner is better" in text


def test_what_is_out_is_named_with_its_reason():
    fresh = [*runs(0, [0.65, 0.66, 0.64], CHOOSING), FreshRun(1, 0, CHOOSING, None, None, reason="out of memory")]
    text = text_of(result(fresh))
    assert "Trial 1 was excluded: out of memory." in text
    assert "not confirmed by re-trainings" in text


def test_without_fresh_runs_the_score_is_not_confirmed():
    assert final_lines(result([])) == [NOT_CONFIRMED]
