"""Trials whose process died are trained again, under their number and with their values."""

from __future__ import annotations

import pytest

from support.lifecycle_lab import failed
from truetune.space import Hyperparameter
from truetune.trial import KILLED, TrialState
from truetune.workers.memory import Death

KILL = Death("the worker was ended by SIGKILL", KILLED)


def test_an_interrupted_trial_is_trained_again_with_number_and_values(lab):
    lab.open(4)
    assert lab.train(lab.lifecycle.next(0))
    second = lab.lifecycle.next(0)
    lab.build(second)
    lab.lifecycle.host(second).epoch(1, 0.3)
    interrupted = lab.trials()[1]

    lab.open(4)
    again = lab.lifecycle.next(0)
    assert (again.number, again.answers) == (1, interrupted.values)
    assert lab.train(again)
    retried = lab.trials()[1]
    assert retried.values == interrupted.values
    assert (retried.seed, retried.attempt, retried.state) == (interrupted.seed, 1, TrialState.COMPLETE)
    assert retried.reports == {1: 0.5}
    lab.run()
    assert [t.number for t in lab.trials()] == list(range(4))


def test_interrupted_trials_are_retried_although_the_budget_is_smaller_now(lab):
    lab.open(4)
    for _ in range(3):
        lab.build(lab.lifecycle.next(0))
    lab.open(1)
    assert lab.lifecycle.has_more
    lab.run()
    assert [t.state for t in lab.trials()] == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize("reason", ["the worker was ended by SIGKILL", "ValueError: no"])
def test_a_retry_that_dies_before_it_is_built_keeps_its_number(lab, reason):
    lab.open(3)
    lab.build(lab.lifecycle.next(0))
    lab.open(3)
    again = lab.lifecycle.next(0)
    lab.lifecycle.ended(again, failed(reason))
    lab.run()
    assert [(t.number, t.state) for t in lab.trials()] == [
        (0, TrialState.FAILED),
        (1, TrialState.COMPLETE),
        (2, TrialState.COMPLETE),
    ]
    assert lab.trials()[0].reason == reason


def test_a_trial_that_always_kills_its_supervisor_is_given_up(lab):
    lab.open(2, max_retries=3)
    lab.build(lab.lifecycle.next(0))
    for attempt in (1, 2, 3):
        lab.open(2, max_retries=3)
        lab.build(lab.lifecycle.next(0))
        assert lab.trials()[0].attempt == attempt
    lab.open(2, max_retries=3)
    lab.run()
    first, second = lab.trials()
    assert (first.state, first.reason) == (TrialState.FAILED, "its process died 4 times while it ran")
    assert second.state is TrialState.COMPLETE


def test_a_trial_whose_worker_was_killed_is_trained_again_once(lab):
    lab.open(2)
    running = lab.lifecycle.next(0)
    lab.build(running)
    lab.lifecycle.host(running).epoch(1, 0.3)
    values = lab.trials()[0].values
    lab.lifecycle.died(running, KILL)
    again = lab.lifecycle.next(0)
    assert (again.number, again.answers, again.attempt) == (0, values, 1)
    lab.build(again)
    lab.lifecycle.died(again, KILL)
    assert lab.trials()[0].state is TrialState.FAILED
    assert lab.trials()[0].reason == "the worker was ended by SIGKILL"
    lab.run()
    assert [t.number for t in lab.trials()] == [0, 1]


def test_a_worker_killed_while_it_builds_gets_the_same_proposal_again(lab):
    lab.open(3)
    lab.train(lab.lifecycle.next(0))
    running = lab.lifecycle.next(0)
    units = Hyperparameter("Int", "units", 1, low=1, high=100, step=1)
    value = lab.lifecycle.host(running).answer(units)
    lab.lifecycle.died(running, KILL)
    again = lab.lifecycle.next(0)
    assert (again.number, lab.lifecycle.host(again).answer(units)) == (1, value)
    lab.run_one(again)
    lab.run()
    assert [t.state for t in lab.trials()] == [TrialState.COMPLETE] * 3
    assert lab.trials()[1].attempt == 1


def test_a_supervisor_killed_between_claim_and_build_leaves_a_number_that_is_used(lab):
    lab.open(3)
    lab.train(lab.lifecycle.next(0))
    assert lab.lifecycle.next(0).number == 1
    lab.open(3)
    lab.run()
    assert [t.number for t in lab.trials()] == [0, 1, 2]
    assert [t.state for t in lab.trials()] == [TrialState.COMPLETE] * 3
