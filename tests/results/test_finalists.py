"""The best of noisy numbers is too good; the runs that the choice has not seen are not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from truetune.objective import Objective
from truetune.results.finalists import (
    INCOMPLETE,
    FreshTraining,
    choose,
    missing_runs,
    plan_confirmation,
    plan_runs,
)
from truetune.statistics.intervals import Estimate, estimate
from truetune.trial import CHOOSING, CONFIRMING, FreshRun, PlannedRun, Schedule, Trial, TrialState, todays_trial

HIGH, LOW = Objective("val_accuracy", "max"), Objective("val_loss", "min")
TRAINING = FreshTraining(finalists=2, runs=3, validation_ratio=0.25)


def trial(number, score, state=TrialState.COMPLETE, **changes):
    return Trial(number, state, {"units": number}, score=score, **{"best_epoch": 3, **changes})


TRIALS = [trial(0, 0.5), trial(1, 0.7), trial(2, 0.6), trial(3, 0.9), trial(4, None, TrialState.FAILED)]


def runs(number, scores, stage=CHOOSING, flattery=0.01):
    return [FreshRun(number, i, stage, score, score + flattery, 1.0) for i, score in enumerate(scores)]


def failed(number, repeat=0, stage=CHOOSING):
    return FreshRun(number, repeat, stage, None, None, reason="out of memory")


CHOSEN = [*runs(0, [0.5, 0.51, 0.49]), *runs(1, [0.6, 0.62, 0.61]), *runs(3, [0.7, 0.71, 0.69])]
CONFIRMED = [*runs(0, [0.52, 0.5, 0.51], CONFIRMING), *runs(3, [0.68, 0.69, 0.7], CONFIRMING)]


# Statistics


def test_the_interval_is_the_one_of_the_papers():
    scores, others, ratio = [0.70, 0.72, 0.74], [0.0009, 0.0001], 0.25
    moderated = (4 * 0.0005 + 2 * 0.0004) / 6
    half = stats.t.ppf(0.975, 6) * math.sqrt(moderated * (1 / 3 + 0.25))
    found = estimate(scores, others, ratio)
    assert (found.mean, found.low, found.high) == pytest.approx((0.72, 0.72 - half, 0.72 + half))
    assert found.n_runs == 3


def test_the_others_count_for_eight_degrees_of_freedom_at_most():
    scores, variance = [0.70, 0.72, 0.74], 0.0004
    half = stats.t.ppf(0.975, 10) * math.sqrt(variance / 3)
    assert estimate(scores, [variance] * 20, 0.0).high == pytest.approx(0.72 + half)


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.5, 0.5], [0.1 + 0.2, 0.3, 0.3]])
def test_without_spread_there_is_no_interval(scores):
    found = estimate(scores, [], 0.25)
    assert (found.low, found.high, found.n_runs) == (None, None, len(scores))
    assert not found.contains_zero


def test_equal_runs_are_no_certainty_where_others_differ():
    found = estimate([0.7, 0.7, 0.7], [0.0004] * 5, 0.25)
    assert found.high - found.low > 0.04


# Plans


def test_the_best_and_todays_config_are_trained_again_on_shared_repeats():
    plan = plan_runs(TRIALS, HIGH, 2, 3)
    assert {run.trial for run in plan} == {0, 1, 3}
    assert [run.repeat for run in plan] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {run.trial for run in plan_runs(TRIALS, LOW, 1, 3)} == {0, 2}  # today's config takes nobody's place
    assert plan_runs(TRIALS, HIGH, 0, 3) == []
    assert FreshTraining(2, 3).most_runs == len(plan) + 2 * 3
    assert FreshTraining(0, 3).most_runs == 0


def test_todays_config_that_failed_is_no_finalist_and_one_that_was_pruned_is():
    failed_today = [trial(0, None, TrialState.FAILED), *TRIALS[1:]]
    assert {run.trial for run in plan_runs(failed_today, HIGH, 2, 1)} == {1, 3}
    pruned_today = [trial(0, 0.4, TrialState.PRUNED), *TRIALS[1:]]
    assert {run.trial for run in plan_runs(pruned_today, HIGH, 2, 1)} == {0, 1, 3}


def test_todays_config_that_was_promoted_is_one_finalist():
    ladder = [
        trial(0, 0.5, schedule=Schedule(2, bracket=0, round=0)),
        trial(1, 0.6, schedule=Schedule(2, bracket=0, round=0)),
        replace(trial(2, 0.8, schedule=Schedule(6, 2, parent=0, bracket=0, round=1)), values={"units": 0}),
        trial(3, 0.7, schedule=Schedule(6, bracket=1, round=0)),
    ]
    assert {run.trial for run in plan_runs(ladder, HIGH, 2, 1)} == {0, 1, 3}


def test_the_epoch_of_todays_config_is_that_of_its_longest_training():
    short = trial(0, 0.5, schedule=Schedule(2, bracket=0, round=0), best_epoch=2)
    promoted = replace(trial(2, 0.8, schedule=Schedule(6, 2, parent=0), best_epoch=5), values={"units": 0})
    alone = trial(0, 0.5, best_epoch=4)
    assert todays_trial([short, trial(1, 0.6)], 6) is None
    assert todays_trial([short, trial(1, 0.6), promoted], 6) == promoted
    assert todays_trial([alone, trial(1, 0.6)], 6) == alone
    assert todays_trial([trial(0, 0.5, TrialState.PRUNED)], 6) is None


def test_a_configuration_that_was_trained_twice_is_one_finalist():
    longer = replace(trial(5, 0.95), values={"units": 3})
    assert {run.trial for run in plan_runs([*TRIALS, longer], HIGH, 2, 1)} == {0, 1, 5}


def test_an_interruption_loses_nothing():
    """Whatever is recorded, the missing runs lead to the same choice."""
    full = {run.planned: run for run in [*CHOSEN, *CONFIRMED]}
    recorded = []
    while todo := missing_runs(TRIALS, HIGH, TRAINING, recorded):
        recorded.append(full[todo[-1]])  # one run, in an order of its own, between two interruptions
    assert {run.planned for run in recorded} == set(full)
    assert choose(TRIALS, HIGH, TRAINING, recorded) == choose(TRIALS, HIGH, TRAINING, [*CHOSEN, *CONFIRMED])


def test_the_winner_and_todays_config_are_confirmed():
    assert missing_runs(TRIALS, HIGH, TRAINING, CHOSEN[:-1]) == [PlannedRun(3, 2, CHOOSING)]
    todo = missing_runs(TRIALS, HIGH, TRAINING, CHOSEN)
    assert todo == plan_confirmation(TRIALS, HIGH, TRAINING, CHOSEN)
    assert {(run.trial, run.stage) for run in todo} == {(0, CONFIRMING), (3, CONFIRMING)}
    assert missing_runs(TRIALS, HIGH, TRAINING, [*CHOSEN, *CONFIRMED]) == []


# The choice


def test_the_winner_its_estimate_and_what_it_gains():
    choice = choose(TRIALS, HIGH, TRAINING, [*CHOSEN, *CONFIRMED])
    assert [f.trial for f in choice.finalists] == [3, 1, 0]
    assert [f.search_score for f in choice.finalists] == [0.9, 0.7, 0.5]
    assert choice.winner == 3
    assert choice.confirmed.mean == pytest.approx(0.69)
    assert choice.confirmed.low < 0.69 < choice.confirmed.high
    assert choice.today.mean == pytest.approx(0.51)
    assert choice.gain.mean == pytest.approx(0.18)
    assert not choice.is_within_noise
    assert choice.recommendation == "apply"
    assert choice.optimism == pytest.approx(0.01)
    assert choice.spread == pytest.approx(0.01)


def test_how_much_finalists_differ_from_todays_config_from_part_to_part():
    choice = choose(TRIALS, HIGH, TRAINING, CHOSEN)
    differences = [[0.1, 0.11, 0.12], [0.2, 0.2, 0.2]]  # of trials 1 and 3
    assert choice.difference == pytest.approx(math.sqrt(np.mean([np.var(d, ddof=1) for d in differences])))
    assert choice.validation_share == pytest.approx(0.2)
    without_today = [failed(0), *CHOSEN[3:]]
    assert choose(TRIALS, HIGH, TRAINING, without_today).difference is None


def test_a_gain_within_the_noise_is_no_reason_to_change():
    confirming = [*runs(0, [0.70, 0.66, 0.69], CONFIRMING), *runs(3, [0.68, 0.69, 0.70], CONFIRMING)]
    choice = choose(TRIALS, HIGH, TRAINING, [*CHOSEN, *confirming])
    assert choice.is_within_noise
    assert choice.recommendation == "keep today's"


def test_todays_config_may_win_itself():
    best_today = [*runs(0, [0.8, 0.81, 0.82]), *CHOSEN[3:]]
    assert {run.trial for run in missing_runs(TRIALS, HIGH, TRAINING, best_today)} == {0}
    choice = choose(TRIALS, HIGH, TRAINING, [*best_today, *runs(0, [0.8, 0.79, 0.81], CONFIRMING)])
    assert (choice.winner, choice.gain, choice.recommendation) == (0, None, "keep today's")
    assert choice.confirmed == choice.today


def test_the_lower_bound_decides_and_not_the_mean():
    steady, wild, others = [0.700, 0.701, 0.702], [0.60, 0.705, 0.81], [0.500, 0.501, 0.502]
    fresh = [run for number in range(4) for run in runs(number, others)] + runs(4, steady) + runs(5, wild)
    choice = choose(searched(6), HIGH, FreshTraining(6, 3), fresh)
    assert [f.trial for f in choice.finalists][:2] == [4, 5]
    assert np.mean(wild) > np.mean(steady)


def test_of_equals_the_earlier_trial_wins():
    equal = [0.6, 0.61, 0.62]
    choice = choose(TRIALS, HIGH, TRAINING, [*runs(3, equal), *runs(1, equal), *runs(0, equal)])
    assert [f.trial for f in choice.finalists] == [0, 1, 3]


def test_one_run_has_no_interval_and_the_mean_decides():
    once = replace(TRAINING, runs=1)
    fresh = [*runs(0, [0.5]), *runs(1, [0.7]), *runs(3, [0.6])]
    confirming = [*runs(0, [0.5], CONFIRMING), *runs(1, [0.6], CONFIRMING)]
    choice = choose(TRIALS, HIGH, once, [*fresh, *confirming])
    assert choice.winner == 1
    assert choice.confirmed == Estimate(0.6, None, None, 1)
    assert choice.gain.mean == pytest.approx(0.1)
    assert (choice.recommendation, choice.spread) == ("unknown", None)


def test_a_finalist_that_fails_once_is_out_and_its_other_runs_are_not_trained():
    assert missing_runs(TRIALS, HIGH, TRAINING, [*CHOSEN[:6], failed(3)])[0].stage == CONFIRMING
    choice = choose(TRIALS, HIGH, TRAINING, [*CHOSEN[:6], failed(3)])
    assert choice.winner == 1
    assert (choice.finalists[-1].trial, choice.finalists[-1].reason) == (3, "out of memory")


def test_a_winner_that_fails_in_the_confirming_stage_makes_room_for_the_next():
    fresh = [*CHOSEN, failed(3, stage=CONFIRMING)]
    choice = choose(TRIALS, HIGH, TRAINING, fresh)
    assert (choice.winner, choice.confirmed) == (1, None)
    assert {(run.trial, run.stage) for run in missing_runs(TRIALS, HIGH, TRAINING, fresh)} >= {(1, CONFIRMING)}


def test_where_all_fail_there_is_no_winner():
    fresh = [failed(0), failed(1), failed(3)]
    choice = choose(TRIALS, HIGH, TRAINING, fresh)
    assert (choice.winner, choice.confirmed, choice.recommendation) == (None, None, "unknown")
    assert missing_runs(TRIALS, HIGH, TRAINING, fresh) == []


def test_nobody_wins_before_all_candidates_have_run():
    choice = choose(TRIALS, HIGH, TRAINING, CHOSEN[:6])
    assert choice.winner is None
    assert [f.reason for f in choice.finalists if f.trial == 3] == [INCOMPLETE]


# What always holds

SCORES = st.lists(
    st.lists(st.floats(0.0, 1.0).map(lambda x: round(x, 3)), min_size=3, max_size=3), min_size=3, max_size=6
)


def recorded(scores):
    return [run for number, found in enumerate(scores) for run in runs(number, found)]


def searched(count):
    return [trial(number, 0.5) for number in range(count)]


@given(scores=SCORES, data=st.data())
def test_the_order_of_the_record_does_not_matter(scores, data):
    training = FreshTraining(len(scores), 3)
    fresh = recorded(scores)
    shuffled = data.draw(st.permutations(fresh))
    assert choose(searched(len(scores)), HIGH, training, shuffled) == choose(
        searched(len(scores)), HIGH, training, fresh
    )


@given(scores=SCORES)
def test_what_is_to_minimise_is_chosen_as_its_mirror_image(scores):
    training, trials = FreshTraining(len(scores), 3), searched(len(scores))
    upward = choose(trials, HIGH, training, recorded(scores))
    mirrored = [replace(run, score=-run.score, best=-run.best) for run in recorded(scores)]
    downward = choose(trials, LOW, training, mirrored)
    assert [f.trial for f in downward.finalists] == [f.trial for f in upward.finalists]
    assert downward.optimism == pytest.approx(upward.optimism)
    for down, up in zip(downward.finalists, upward.finalists, strict=True):
        assert (down.low, down.high) == (None if up.high is None else pytest.approx(-up.high), down.high)


# Simulated searches


def simulated_search(rng, truths, sharing, n_runs=3):
    """A search of trials with these true scores, and all the runs it asks for.

    Runs on splits of the same rows share a part of their error, as Nadeau and Bengio assume: `sharing` of its variance
    is the same in all runs of a search, the rest is each run's own.
    """
    spread = 0.05
    shared = rng.normal(0, spread * math.sqrt(sharing))

    def score(number):
        return float(truths[number] + shared + rng.normal(0, spread * math.sqrt(1 - sharing)))

    trials = [trial(number, score(number)) for number in range(len(truths))]
    training = FreshTraining(5, n_runs, validation_ratio=sharing / (1 - sharing))
    fresh = []
    while todo := missing_runs(trials, HIGH, training, fresh):
        fresh += [FreshRun(run.trial, run.repeat, run.stage, s := score(run.trial), s) for run in todo]
    return trials, choose(trials, HIGH, training, fresh)


@pytest.mark.slow
def test_coin_flips_are_reported_as_coin_flips():
    rng = np.random.default_rng(0)
    searches = [simulated_search(rng, [0.5] * 20, sharing=0.2) for _ in range(400)]
    estimates = [choice.confirmed for _, choice in searches]
    covered = np.mean([e.low <= 0.5 <= e.high for e in estimates])
    assert np.mean([e.mean for e in estimates]) == pytest.approx(0.5, abs=0.006)  # two standard errors
    assert covered >= 0.93
    assert np.mean([max(t.score for t in trials) for trials, _ in searches]) > 0.57  # what the search says
    within = np.mean([choice.recommendation == "keep today's" for _, choice in searches])
    assert within >= 0.93


@pytest.mark.slow
def test_a_trial_that_is_better_is_found_and_recommended():
    rng = np.random.default_rng(1)
    truths = [0.5] * 19 + [0.75]
    choices = [simulated_search(rng, truths, sharing=0.2)[1] for _ in range(100)]
    assert np.mean([choice.winner == 19 for choice in choices]) >= 0.95
    assert np.mean([choice.recommendation == "apply" for choice in choices]) >= 0.9
    assert np.mean([c.confirmed.low <= 0.75 <= c.confirmed.high for c in choices if c.winner == 19]) >= 0.93
    assert np.mean([c.gain.low <= 0.25 <= c.gain.high for c in choices if c.gain]) >= 0.93


def test_of_several_folds_the_folds_are_what_the_interval_counts():
    """Runs over all rows are nearly equal, which says nothing of other rows; their folds differ."""
    folds = [(0.50, 0.70, 0.60), (0.52, 0.69, 0.59), (0.51, 0.70, 0.60)]
    fresh = [FreshRun(0, i, CHOOSING, 0.6, 0.6, fold_scores=scores) for i, scores in enumerate(folds)]
    trials = [trial(0, 0.6)]
    training = FreshTraining(1, 3, validation_ratio=0.5)
    (finalist,) = choose(trials, HIGH, training, fresh).finalists
    parts = [score for scores in folds for score in scores]
    error = math.sqrt(np.var(parts, ddof=1) * (1 / 9 + 0.5))
    assert finalist.mean == pytest.approx(0.6)
    assert finalist.high - finalist.mean == pytest.approx(stats.t.ppf(0.975, 8) * error)
