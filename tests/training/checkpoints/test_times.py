"""Checkpoints cost under 2 % of training: epochs that are short are skipped."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.tensorflow


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def writing(tmp_path, monkeypatch):
    """Times with a clock of the test's own; writing takes `cost` seconds on it. The file is really written."""
    import keras

    from truetune.training.checkpoints import times
    from truetune.training.checkpoints.checkpoint import Progress, save_checkpoint

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")

    class Writing:
        cost = 0.125
        clock = Clock()

        def epoch(self, seconds):
            self.clock.now += seconds
            return self.times.epoch_ended(model, Progress())

        def write(self):
            self.times.write(model, Progress())

    writing = Writing()

    def slow(*arguments):
        save_checkpoint(*arguments)
        writing.clock.now += writing.cost

    monkeypatch.setattr(times, "save_checkpoint", slow)
    writing.path = tmp_path / "trial.npz"
    writing.times = times.CheckpointTimes(writing.path, writing.clock)
    return writing


def test_short_epochs_are_skipped_until_a_write_is_earned(writing):
    assert [writing.epoch(0.2) for _ in range(3)] == [False, False, True]  # 50 x 10 ms, estimated
    assert writing.path.exists()
    assert [writing.epoch(1.25) for _ in range(6)] == [False, False, False, False, True, False]  # 50 x 125 ms


def test_over_many_epochs_the_share_stays_under_two_percent(writing):
    began = writing.clock.now
    written = sum(writing.epoch(0.7) for _ in range(1000))
    assert written > 100
    assert written * writing.cost < 0.02 * (writing.clock.now - began)


def test_a_slow_disk_is_written_less_often(writing):
    writing.cost = 2.0
    assert writing.epoch(1.0)
    assert [writing.epoch(50.0), writing.epoch(50.0)] == [False, True]


def test_what_must_be_written_is_written_at_once(writing):
    writing.write()
    assert writing.path.exists()


def test_without_a_path_nothing_is_written(writing):
    from truetune.training.checkpoints.times import CheckpointTimes

    writing.times = CheckpointTimes(None, writing.clock)
    writing.write()
    assert not writing.epoch(1e6)
    assert not writing.path.exists()


@pytest.fixture
def blocked(writing):
    """The folder of the checkpoints is a file: nothing can be written there."""
    from truetune.training.checkpoints.times import CheckpointTimes

    notes = []
    folder = writing.path.with_name("no folder")
    folder.write_text("")
    writing.times = CheckpointTimes(folder / "trial.npz", writing.clock, notes.append)
    return notes


def test_a_checkpoint_that_cannot_be_written_is_said_once(writing, blocked):
    assert not writing.epoch(100.0)
    assert not writing.epoch(100.0)
    writing.write()
    assert len(blocked) == 1
    assert "Could not write a checkpoint; the trial continues without it: " in blocked[0]


def test_where_a_promotion_counts_on_it_an_older_one_is_removed(writing, monkeypatch):
    from truetune.errors import StorageError
    from truetune.training.checkpoints import times

    writing.write()
    assert writing.path.exists()

    def full(*arguments):
        raise StorageError("the disk is full")

    monkeypatch.setattr(times, "save_checkpoint", full)
    writing.write()
    assert not writing.path.exists()
