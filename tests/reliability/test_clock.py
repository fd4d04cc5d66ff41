"""A clock that jumps takes no trial from anybody, repeats none, and no trial took less than no time."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from support.witness import assert_each_once
from truetune.storage.leases import Leases, Owner, start_mark
from truetune.trial import TrialState

pytestmark = pytest.mark.reliability

DAY = 86_400.0
TRIALS = 30


@pytest.mark.tensorflow
@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day ahead", "a day back"])
def test_a_clock_that_jumps_in_one_of_two_processes(search, jump):
    searching = search(max_trials=TRIALS, epoch_seconds=0.4, lease_seconds=4.0)
    jumping, steady = searching.start(clock_jumps=jump), searching.start()
    for process in (jumping, steady):
        searching.finish(process)
    trials = searching.trials()
    assert_each_once(trials, TRIALS)
    assert all(trial.attempt == 0 for trial in trials), searching.logs()
    assert all(trial.state is not TrialState.FAILED for trial in trials)
    assert all(0.0 < trial.seconds < 120.0 for trial in trials)
    for process in (jumping, steady):
        assert "taken over" not in process.log.read_text()


class Wall:
    """A clock on the wall that must not be looked at."""

    def __call__(self):
        raise AssertionError("the wall clock was asked")


@pytest.fixture
def no_wall_clock(monkeypatch):
    monkeypatch.setattr(time, "time", Wall())
    monkeypatch.setattr(time, "time_ns", Wall())


def elsewhere(token):
    return Owner(token, "another host/boot/namespace", 1, "1")


def test_leases_know_no_wall_clock(no_wall_clock, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    leases = Leases(Owner.myself(), seconds=10.0)
    owners = {"theirs": (elsewhere("theirs"), 1)}
    assert leases.dead(owners) == set()
    now[0] += 9.0
    assert leases.dead(owners) == set()
    now[0] += 2.0
    assert leases.dead(owners) == {"theirs"}
    assert leases.dead({"theirs": (elsewhere("theirs"), 2)}) == set()


def test_a_beat_that_goes_backwards_is_a_sign_of_life_too(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    leases = Leases(Owner.myself(), seconds=10.0)
    for beat in (9, 3, 2, 1):
        assert leases.dead({"theirs": (elsewhere("theirs"), beat)}) == set()
        now[0] += 9.0


def test_the_mark_of_a_process_knows_no_wall_clock(no_wall_clock, monkeypatch):
    """`psutil.Process.create_time` moves when the system's clock is set; on Linux it is not asked."""
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("there is no /proc on this system")
    monkeypatch.setattr(psutil, "boot_time", Wall())
    mark = start_mark(os.getpid())
    assert mark == start_mark(os.getpid()) != ""
    assert mark != start_mark(1)
