"""A disk that fills up while a search writes: it pauses, says so, goes on when there is space, and loses nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from support.witness import Witness, assert_each_once
from truetune.trial import TrialState

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]

TRIALS = 24
FILLINGS = 4


class Disk:
    """A file system of a few MiB, and a ballast file that fills it."""

    def __init__(self, folder):
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self):
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, leave=0):
        """Take all but `leave` bytes, or as much as the search, which writes at the same time, leaves of them."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            ballast.write(b"x" * max(0, self.free - leave))

    def empty(self):
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "truetune", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True) if sys.platform == "linux" else None
    if done is None or done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip() if done else sys.platform}")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("method", ["optuna", "keras-tuner"])
def test_a_disk_that_fills_up_and_is_emptied(search, disk, method):
    algorithm = {"algorithm": "random"} if method == "keras-tuner" else {}
    searching = search(max_trials=TRIALS, method=method, epoch_seconds=0.05, prints=True, checkpoints=True, **algorithm)
    searching.use(disk.folder)
    process = searching.start()
    witness, chance = Witness(), random.Random(5)
    for filling in range(FILLINGS):
        searching.wait_for_trials(4 + filling * 5)
        witness.look(searching.trials())
        time.sleep(chance.uniform(0.0, 0.5))
        disk.fill(leave=chance.choice([0, 0, 4096, 30_000]))
        time.sleep(0.2)
        disk.fill()  # what was freed, or left
        said = process.log.read_text().count("Free some disk space")
        time.sleep(chance.uniform(2.0, 4.0))
        assert process.poll() is None, searching.logs()
        print(f"full for the {filling + 1}. time; said {said} times")
        disk.empty()
    searching.finish(process)
    trials = searching.trials()
    witness.look(trials)
    assert_each_once(trials, TRIALS)
    failed = [trial.reason for trial in trials if trial.state is TrialState.FAILED]
    assert not failed, failed
    log = process.log.read_text()
    assert log.count("Free some disk space. Nothing was lost. The search is waiting and will continue on its own") >= 2
    assert log.count("The database is available again") >= 2
    assert "Traceback" not in log


def test_a_disk_that_is_full_from_the_start(search, disk):
    searching = search(max_trials=2)
    searching.use(disk.folder)
    disk.fill()
    process = searching.start()
    assert process.wait(60) == 2, searching.logs()
    log = process.log.read_text()
    assert "StorageError: " in log or "StorageUnavailable: " in log
    assert "disk" in log
    assert "Traceback" not in log
    disk.empty()
    searching.finish(searching.start())
    assert_each_once(searching.trials(), 2)


@pytest.mark.parametrize("leave", [4096, 200_000])
def test_a_disk_that_is_nearly_full_from_the_start(search, disk, leave):
    """It ends with an error that says what to do, or waits; and goes on once there is space."""
    searching = search(max_trials=2)
    searching.use(disk.folder)
    disk.fill(leave)
    process = searching.start()
    deadline = time.monotonic() + 40
    while process.poll() is None and time.monotonic() < deadline and "waits" not in process.log.read_text():
        time.sleep(0.2)
    assert process.returncode in (None, 0, 2), searching.logs()
    assert "Traceback" not in process.log.read_text()
    disk.empty()
    if process.poll() is None:
        searching.finish(process)
    else:
        searching.finish(searching.start())
    assert_each_once(searching.trials(), 2)


def test_the_winner_that_cannot_be_exported(search, disk):
    """The search is done and recorded; the command says what to do, and types on."""
    searching = search(max_trials=2, export=str(disk.folder / "best_hyperparameters.json"))
    disk.fill()
    process = searching.start()
    assert process.wait(120) == 2, searching.logs()
    log = process.log.read_text()
    assert "No space left on device. Free space on the disk" in log
    assert "Traceback" not in log
    assert list(disk.folder.iterdir()) == [disk.folder / "ballast"]
    disk.empty()
    again = searching.start()
    searching.finish(again)
    assert (disk.folder / "best_hyperparameters.json").exists()
    assert "nothing to do" in again.log.read_text()
