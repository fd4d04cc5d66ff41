"""Ctrl-C at the command line stops cleanly, says what to type, and the same command goes on."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from support.slow_command import SlowCommand
from truetune.storage.database import sqlite_url
from truetune.storage.store import open_store
from truetune.trial import TrialState

pytestmark = pytest.mark.tensorflow


def test_ctrl_c_and_the_same_command_again(tmp_path):
    command = SlowCommand(tmp_path, "interrupted", 1)
    search = command.start(500)
    for line in search.stdout:
        if line.startswith("trial 1 "):
            break
    time.sleep(0.3)
    children = psutil.Process(search.pid).children(recursive=True)
    os.killpg(search.pid, signal.SIGINT)
    _, errors = search.communicate(timeout=60)
    assert search.returncode == 130, errors
    assert "finished work is kept" in errors
    assert "tune --task" in errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []

    store = open_store(sqlite_url(tmp_path / "models" / "tuning" / "optuna.db"), "interrupted_optuna")
    before = store.trials()
    total = len(before) + 1
    again = command.run(total)
    assert again.returncode == 0, again.stderr
    assert "Resuming study 'interrupted_optuna'" in again.stdout
    after = store.trials()
    store.close()
    assert [t.number for t in after] == list(range(total))
    assert all(t.state is TrialState.COMPLETE for t in after)
    for old, new in zip(before, after, strict=False):
        assert new == old if old.state.is_finished else new.values == old.values
