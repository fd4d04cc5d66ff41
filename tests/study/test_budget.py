"""When no further trial may start."""

from __future__ import annotations

import time

import pytest

from truetune.objective import Objective
from truetune.study.budget import Budget, Limits, duration
from truetune.trial import Trial, TrialState

OBJECTIVE = Objective("val_loss", "min")


def ended(number, score=None, seconds=10.0, state=TrialState.COMPLETE):
    return Trial(number, state, {}, score=score, seconds=seconds)


def test_without_limits_everything_may_start():
    budget = Budget(Limits(10), OBJECTIVE)
    for number in range(100):
        budget.count(ended(number, score=1.0))
    assert budget.why_not() == ""
    assert not budget.is_over


def test_patience_counts_trials_since_the_best_those_of_earlier_runs_too():
    earlier = [ended(0, 0.5), ended(1, 0.4), ended(2, 0.45)]
    budget = Budget(Limits(10, no_improvement=3), OBJECTIVE, earlier)
    budget.count(ended(3, state=TrialState.FAILED))
    assert budget.why_not() == ""
    budget.count(ended(4, 0.4))
    assert "last 3 trials brought no improvement" in budget.why_not()
    budget.count(ended(5, 0.3))
    assert budget.why_not() == ""


def test_patience_needs_a_score_first():
    budget = Budget(Limits(10, no_improvement=1), OBJECTIVE)
    budget.count(ended(0, state=TrialState.FAILED))
    assert budget.why_not() == ""


@pytest.mark.parametrize(("seconds", "may"), [([10, 10, 20, 20], True), ([100, 100, 100], False), ([], True)])
def test_a_trial_starts_only_if_it_would_end_in_time(seconds, may):
    earlier = [ended(number, 0.5, seconds=s) for number, s in enumerate(seconds)]
    budget = Budget(Limits(10, time_budget=60.0), OBJECTIVE, earlier)
    assert (budget.why_not() == "") is may


def test_pruned_trials_do_not_make_the_next_one_look_short():
    earlier = [ended(0, 0.5, seconds=100), *(ended(n, 0.6, 1, TrialState.PRUNED) for n in range(1, 9))]
    assert "takes about 1 min 40 s" in Budget(Limits(20, time_budget=60.0), OBJECTIVE, earlier).why_not()


def test_the_time_is_over():
    budget = Budget(Limits(10, time_budget=0.05), OBJECTIVE)
    time.sleep(0.1)
    assert budget.is_over
    assert "0 s of the time budget" in budget.why_not()


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (0.2, "0 s")])
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text
