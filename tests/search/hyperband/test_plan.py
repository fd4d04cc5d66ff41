"""Which Hyperband schedule fits, and where its trials stand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.errors import InputError
from truetune.search.base import NoSuggestion
from truetune.search.hyperband.brackets import BracketTrial, next_place
from truetune.search.hyperband.plan import HyperbandPlan, extend_hyperband, plan_hyperband
from truetune.trial import Schedule


@given(st.integers(1, 400), st.integers(1, 200))
def test_a_plan_fits_whatever_is_asked(max_trials: int, epochs: int) -> None:
    plan = plan_hyperband(max_trials, epochs)
    assert 1 <= plan.trials <= max_trials
    assert plan.max_epochs == epochs
    assert 1 <= plan.configurations <= plan.trials
    assert plan.lines()
    assert HyperbandPlan.from_config(plan.to_config()) == plan


def test_the_known_schedules() -> None:
    fifty = HyperbandPlan(max_epochs=50, factor=3)
    assert (fifty.trials, fifty.configurations, fifty.epochs_total) == (90, 62, 922)
    twenty = plan_hyperband(30, 20)
    assert (twenty.factor, twenty.trials, twenty.epochs_total) == (3, 30, 226)


def test_more_trials_use_more_of_the_budget() -> None:
    assert plan_hyperband(50, 30) == HyperbandPlan(30, 4)
    assert plan_hyperband(30, 30) == HyperbandPlan(30, 6, iterations=2)


def test_without_room_for_halving_it_is_random_search_and_says_so() -> None:
    plan = plan_hyperband(5, 30)
    assert (plan.trials, plan.configurations, plan.epochs_total) == (5, 5, 150)
    assert "random search" in plan.lines()[0]


@given(st.integers(1, 100), st.integers(1, 60), st.integers(0, 200))
def test_a_larger_budget_keeps_what_was_started(max_trials: int, epochs: int, more: int) -> None:
    plan = plan_hyperband(max_trials, epochs)
    larger = extend_hyperband(plan, max_trials + more)
    assert (larger.max_epochs, larger.factor) == (plan.max_epochs, plan.factor)
    assert plan.trials <= larger.trials <= max_trials + more


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="max_trials=0"):
        plan_hyperband(0, 10)


def fill(plan: HyperbandPlan, fails: set[int]) -> list[BracketTrial]:
    """Every trial in turn; a later number is the better one."""
    trials: list[BracketTrial] = []
    while isinstance(place := next_place(plan, trials), Schedule):
        number = len(trials)
        trials.append(BracketTrial(number, place, None if number in fails else float(number), running=False))
    assert place is NoSuggestion.EXHAUSTED
    return trials


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 80), st.integers(1, 40))
def test_the_ladder_has_the_planned_number_of_trials(max_trials: int, epochs: int) -> None:
    plan = plan_hyperband(max_trials, epochs)
    trials = fill(plan, set())
    assert len(trials) == plan.trials
    assert len([c for c in trials if c.schedule.parent is None]) == plan.configurations
    trained = sum((c.schedule.epochs or 0) - c.schedule.initial_epoch for c in trials)
    assert trained == plan.epochs_total


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 30), max_size=25))
def test_failed_trials_neither_block_nor_climb(fails: set[int]) -> None:
    plan = HyperbandPlan(9, 3)
    trials = fill(plan, fails)
    parents = {trial.schedule.parent for trial in trials}
    assert not parents & fails
    first = [trial for trial in trials if trial.schedule.round == 0]
    assert len(first) == plan.configurations


def test_the_best_are_promoted_and_nobody_twice() -> None:
    trials = fill(HyperbandPlan(9, 3), set())
    promoted = [c.schedule.parent for c in trials if c.schedule.bracket == 0 and c.schedule.round == 1]
    assert sorted(number for number in promoted if number is not None) == [6, 7, 8]


def test_while_a_round_runs_the_next_bracket_starts_and_then_it_waits() -> None:
    plan = HyperbandPlan(9, 3)
    trials: list[BracketTrial] = []
    while isinstance(place := next_place(plan, trials), Schedule):
        trials.append(BracketTrial(len(trials), place, None, running=True))
    assert place is NoSuggestion.WAIT
    assert len(trials) == plan.configurations
    assert {trial.schedule.round for trial in trials} == {0}


def test_a_used_up_space_still_promotes() -> None:
    plan = HyperbandPlan(9, 3)
    trials = [BracketTrial(n, Schedule(1, bracket=0, round=0), float(n), running=False) for n in range(4)]
    place = next_place(plan, trials, exhausted=True)
    assert isinstance(place, Schedule)
    assert (place.parent, place.epochs, place.initial_epoch) == (3, 3, 1)
