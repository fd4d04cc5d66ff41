"""Who is alive: processes of this machine are looked up, others by whether their beat goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest

from truetune.storage.leases import Leases, Owner, start_mark

ME = Owner.myself()
ELSEWHERE = replace(Owner.myself(), machine="another/boot/pid:[1]")


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def owner_of(process):
    return Owner("child", ME.machine, process.pid, start_mark(process.pid))


def test_this_process_runs_here():
    assert ME.runs_here() is True
    assert ELSEWHERE.runs_here() is None
    assert Owner(**ME.to_config()) == ME


def test_a_process_that_ended_is_dead_at_once(child):
    owner, leases = owner_of(child), Leases(ME, 60.0)
    assert leases.dead({"child": (owner, 0)}) == set()
    child.kill()
    child.wait()
    assert leases.dead({"child": (owner, 0)}) == {"child"}


def test_a_zombie_is_dead(child):
    owner = owner_of(child)
    child.kill()
    deadline = time.monotonic() + 10
    while owner.runs_here() and time.monotonic() < deadline:
        time.sleep(0.01)  # not waited for: it stays a zombie
    assert owner.runs_here() is False


def test_another_process_of_the_same_number_is_not_the_owner(child):
    assert replace(owner_of(child), started="12").runs_here() is False


def test_a_beat_that_stands_still_is_dead_and_one_that_goes_on_is_not():
    leases = Leases(ME, seconds=0.2)
    quiet, lively = replace(ELSEWHERE, token="quiet"), replace(ELSEWHERE, token="lively")
    for beat in range(4):
        found = leases.dead({"quiet": (quiet, 7), "lively": (lively, beat), ME.token: (ME, 0)})
        assert found == (set() if beat < 3 else {"quiet"})
        time.sleep(0.08)


def test_a_stopped_process_of_this_machine_loses_its_lease_too(child):
    leases = Leases(ME, seconds=0.1)
    owner = owner_of(child)
    assert leases.dead({"child": (owner, 5)}) == set()
    time.sleep(0.15)
    assert leases.dead({"child": (owner, 5)}) == {"child"}


def test_jumps_of_the_clock_kill_nobody(child, monkeypatch):
    leases, owner = Leases(ME, seconds=5.0), owner_of(child)
    assert leases.dead({"child": (owner, 5), "x": (ELSEWHERE, 1)}) == set()
    real = time.time
    for jump in (-(10**6), 10**6):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        assert leases.dead({"child": (owner, 5), "x": (ELSEWHERE, 1)}) == set()
        assert start_mark(child.pid) == owner.started
