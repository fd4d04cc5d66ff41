"""One process is watched: what it uses, and what its end is taken for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from truetune.system import machine
from truetune.system.sizes import MIB
from truetune.trial import ERROR, KILLED, OUT_OF_MEMORY
from truetune.workers import memory
from truetune.workers.memory import MemoryWatch

HOLD = "import sys, time; held = b'x' * (int(sys.argv[1]) << 20); print('ready', flush=True); time.sleep(60)"
HOLD_IN_CHILD = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]], "
    "stdout=subprocess.PIPE); child.stdout.readline(); print('ready', flush=True); child.wait()"
)


@pytest.fixture
def started():
    processes = []

    def start(*arguments):
        process = subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.PIPE, start_new_session=True)
        process.stdout.readline()
        processes.append(process)
        return process

    yield start
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_process_past_its_limit_is_found(started, tmp_path):
    watch = MemoryWatch(started(HOLD, "100").pid, 60 * MIB, tmp_path / "log")
    assert watch.look()
    assert 100 * MIB < watch.exceeded < 200 * MIB
    death = watch.death(-signal.SIGKILL)
    assert death.cause == OUT_OF_MEMORY
    assert death.reason == f"out of memory: {watch.exceeded / MIB:.0f} MiB of 60 MiB allowed"


def test_one_within_its_limit_is_left_alone(started, tmp_path):
    watch = MemoryWatch(started(HOLD, "10").pid, 500 * MIB, tmp_path / "log")
    assert not watch.look()
    assert 10 * MIB < watch.used < 100 * MIB


def test_what_it_started_counts_too(started, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CHILDREN_SECONDS", 0.0)
    watch = MemoryWatch(started(HOLD_IN_CHILD, "100", HOLD).pid, None, tmp_path / "log")
    time.sleep(0.01)
    watch.look()
    assert watch.used > 100 * MIB


@pytest.fixture
def watch(tmp_path):
    log = tmp_path / "worker.log"
    log.write_text("std::bad_alloc of an earlier worker\n")
    return MemoryWatch(os.getpid(), None, log)


@pytest.mark.parametrize(
    ("code", "cause", "reason"),
    [
        (3, ERROR, "the worker ended with exit code 3"),
        (-signal.SIGSEGV, ERROR, "the worker was ended by SIGSEGV"),
        (-signal.SIGABRT, ERROR, "the worker was ended by SIGABRT"),
        (-signal.SIGKILL, KILLED, "the worker was ended by SIGKILL from outside"),
        (-signal.SIGTERM, KILLED, "the worker was ended by SIGTERM from outside"),
    ],
)
def test_an_end_that_has_nothing_to_do_with_memory(watch, code, cause, reason):
    death = watch.death(code)
    assert (death.cause, death.reason) == (cause, reason)


def test_a_failed_allocation_is_read_from_the_log(watch, tmp_path):
    with (tmp_path / "worker.log").open("a") as log:
        log.write("terminate called after throwing an instance of 'std::bad_alloc'\n")
    assert watch.death(-signal.SIGABRT).cause == OUT_OF_MEMORY


def test_a_kill_that_the_kernel_counted_is_out_of_memory(watch, monkeypatch):
    before = machine.kernel_kills()
    monkeypatch.setattr(machine, "kernel_kills", lambda: before + 1)
    death = watch.death(-signal.SIGKILL)
    assert death.cause == OUT_OF_MEMORY
    assert "the kernel ended the worker" in death.reason


def test_a_kill_of_one_that_had_nearly_all_memory_is_out_of_memory(watch):
    watch.used = int(0.9 * machine.memory().total)
    assert watch.death(-signal.SIGKILL).cause == OUT_OF_MEMORY
