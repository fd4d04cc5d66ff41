"""Two supervisors on one study, each with its own searcher: the test plays both, and their workers."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from support.lifecycle_lab import done
from truetune.errors import StudyError
from truetune.storage.exclusive import require_alone
from truetune.storage.heartbeat import alive
from truetune.storage.leases import Leases, Owner
from truetune.storage.store import create_store
from truetune.trial import TrialState


@pytest.fixture
def labs(make_lab):
    """Two that are alive: both beat in the record."""
    pair = [make_lab(), make_lab()]
    for lab in pair:
        lab.open(6, sharing=True)
        lab.store.beat(0)
    return pair


def look(lab):
    lab.lifecycle.look_at_once()


def test_numbers_are_shared_out_exactly(labs):
    first, second = labs
    running = [lab.lifecycle.next(0) for lab in labs]
    assert [r.number for r in running] == [0, 1]
    for lab, trial in zip(labs, running, strict=True):
        assert lab.build(trial)
        lab.lifecycle.ended(trial, done(trial.number))
    for lab in (first, second):
        look(lab)
        lab.run()
    trials = first.trials()
    assert [t.number for t in trials] == list(range(6))
    assert all(t.state is TrialState.COMPLETE for t in trials)
    assert len({tuple(sorted(t.values.items())) for t in trials}) == 6
    assert not first.lifecycle.waits_for_others


def test_each_learns_what_the_other_found(labs):
    first, second = labs
    first.train(first.lifecycle.next(0))
    look(second)
    assert second.lifecycle.next(0).number == 1
    assert [t.number for t in second.notes.elsewhere] == [0]


def test_one_waits_while_the_other_trains(labs):
    first, second = labs
    running = first.lifecycle.next(0)
    first.build(running)
    look(second)
    second.run()
    assert second.lifecycle.waits_for_others
    first.lifecycle.ended(running, done(0))
    look(second)
    assert not second.lifecycle.waits_for_others


def test_a_trial_of_a_dead_process_is_taken_over_and_the_dead_one_notices(labs):
    first, second = labs
    running = first.lifecycle.next(0)
    first.build(running)
    second.store.forget([first.store.owner.token])  # as after its lease ran out
    look(second)
    again = second.lifecycle.next(0)
    assert (again.number, again.attempt, again.answers) == (0, 1, running.answers)
    second.build(again)

    stopped = first.lifecycle.host(running).epoch(1, 0.9)
    assert stopped.name == "STOP"
    first.lifecycle.ended(running, done(0))
    assert first.notes.dropped == [0]
    assert [line for line in first.notes.lines if "Another process took over trial 0" in line]
    assert second.trials()[0].reports == {}

    second.lifecycle.host(again).epoch(1, 0.5)
    second.lifecycle.ended(again, done(0))
    look(first)
    first.run()
    trials = first.trials()
    assert [t.number for t in trials] == list(range(6))
    assert (trials[0].reports, trials[0].attempt, trials[0].owner) == ({1: 0.5}, 1, second.store.owner.token)


def test_a_number_lost_while_its_model_is_built_is_dropped(labs):
    first, second = labs
    running = first.lifecycle.next(0)
    second.store.forget([first.store.owner.token])
    look(second)
    again = second.lifecycle.next(0)
    assert again.number == 0
    assert second.build(again)
    assert not first.build(running)
    first.lifecycle.ended(running, None)
    assert first.lifecycle.next(0).number == 1


def test_leaving_frees_what_runs(labs):
    first, second = labs
    with alive(first.store, 60.0):
        running = first.lifecycle.next(0)
        first.build(running)
    assert first.store.owner.token not in second.store.owners()
    look(second)
    assert second.lifecycle.next(0).number == 0


def test_a_search_that_cannot_be_shared_waits_for_nobody_alive(labs):
    first, second = labs
    with pytest.raises(StudyError, match=r"Another process \(number \d+ on .*\) is tuning study 'study'. Do that"):
        require_alone(first.store, Leases(first.store.owner, 60.0), "Do that.")
    second.store.leave()
    require_alone(first.store, Leases(first.store.owner, 60.0), "")


def test_a_silent_process_elsewhere_is_waited_for_until_its_lease_is_over(labs):
    first, second = labs
    second.store.leave()
    elsewhere = replace(Owner.myself(), machine="another/boot/pid:[1]")
    silent = create_store(first.store.url, "study", "max", "score", owner=elsewhere)
    silent.beat(3)
    silent.close()
    began = time.monotonic()
    require_alone(first.store, Leases(first.store.owner, 0.5), "")
    assert time.monotonic() - began > 0.5
    assert set(first.store.owners()) == {first.store.owner.token}
