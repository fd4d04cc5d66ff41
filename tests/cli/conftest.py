"""A folder of one's own for every test, and a guard for what must be refused before anything is started."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_worker(monkeypatch):
    """Fails the test when a worker process would be started."""

    def started(self):
        pytest.fail("a worker process was started before the input was refused")

    monkeypatch.setattr("truetune.workers.pool.Worker._start", started)


@pytest.fixture
def no_tensorflow(monkeypatch):
    """Fails the test when TensorFlow would be started, which takes seconds."""
    start = "truetune.training.tensorflow_start.start_tensorflow"
    monkeypatch.setattr(start, lambda: pytest.fail("TensorFlow was started before the input was refused"))


@pytest.fixture
def forget_own_task():
    """A user's file is a module named after it; the next test writes another under that name."""
    yield
    sys.modules.pop("owntask", None)
