"""SIGTERM, SIGINT and SIGHUP end the command in good order; the same command goes on at the interrupted trial."""

from __future__ import annotations

import os
import shlex
import signal

import psutil
import pytest

from support.slow_command import SlowCommand
from support.witness import assert_each_once
from truetune.storage.database import sqlite_url
from truetune.storage.store import open_store
from truetune.trial import TrialState

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]


def send(process, name, to):
    if to == "group":
        os.killpg(process.pid, signal.Signals[name])
    else:
        process.send_signal(signal.Signals[name])


@pytest.mark.parametrize(
    ("name", "to"), [("SIGTERM", "supervisor"), ("SIGTERM", "group"), ("SIGINT", "group"), ("SIGHUP", "group")]
)
def test_stopped_and_the_same_command_again(tmp_path, name, to):
    command = SlowCommand(tmp_path, "stopped", 4, "--pruner", "none")
    search = command.start(500)
    for line in search.stdout:
        if line.startswith("trial 0 "):
            break
    store = open_store(sqlite_url(tmp_path / "models" / "tuning" / "optuna.db"), "stopped_optuna")
    while not any(t.state is TrialState.RUNNING and t.reports for t in store.trials()):
        assert search.poll() is None
    children = psutil.Process(search.pid).children(recursive=True)
    assert children
    send(search, name, to)
    _, errors = search.communicate(timeout=60)
    assert search.returncode == 128 + signal.Signals[name], errors
    assert "finished work is kept. To continue, run:" in errors
    assert shlex.join(command.words(500)) in errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []

    before = store.trials()
    (interrupted,) = [trial for trial in before if trial.state is TrialState.RUNNING]
    total = len(before) + 1
    again = command.run(total)
    assert again.returncode == 0, again.stderr
    assert f"interrupted trials to train again: {interrupted.number}." in again.stdout
    after = store.trials()
    store.close()
    assert_each_once(after, total)
    assert all(t.state is TrialState.COMPLETE for t in after)
    for old, new in zip(before, after, strict=False):
        assert new == old if old.state.is_finished else new.values == old.values
