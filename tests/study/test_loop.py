"""The loop over thousands of schedules: workers that die, are late, are renewed, help and are called off at any moment.

Real workers take seconds to start (`test_folds_in_workers.py` has them), so here both sides of the pipe are played:
workers are generators that say what real ones say, in the same order.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from truetune.errors import SearchStopped
from truetune.study.budget import Limits
from truetune.study.loop import run_in_workers
from truetune.training import messages
from truetune.trial import KILLED, Decision, TrialState
from truetune.workers.memory import Death
from truetune.workers.pool import WorkerDied

EPOCHS = 3


@dataclass
class Played:
    """A training; it goes on in fold `begins_in`, as one does that was interrupted there."""

    number: int
    attempt: int = 0
    began: float = 0.0
    begins_in: int = 0


@dataclass
class Play:
    """Jobs and what happens to their workers, by the dice of one seed."""

    folder: Path
    dice: random.Random
    ended_numbers: list[int] = field(default_factory=list)
    trained: list[tuple[int, int]] = field(default_factory=list)
    """(number, fold) of folds that a helper has trained for nothing: they had ended before it began."""

    is_over = False
    waits_for_others = False

    def __post_init__(self):
        self.n_folds, self.n_jobs = self.dice.randint(2, 6), self.dice.randint(1, 6)
        self.queue = [Played(number) for number in range(self.n_jobs)]
        self.current: dict[int, Played] = {}
        self.deaths = self.dice.choice([0.0, 0.02, 0.05])
        self.limits = Limits(9, trial_timeout=self.dice.choice([None, None, 0.002]))
        self.quiet = 0

    # Jobs

    @property
    def has_more(self):
        return bool(self.queue)

    def next(self, worker):
        if not self.queue:
            return None
        running = self.queue.pop(0)
        running.began = time.monotonic()
        self.current[running.number] = running
        return running

    def request(self, running):
        return messages.Request(running.number, 0)

    def host(self, running):
        return Answers(self)

    def known(self, running, hyperparameter):
        raise AssertionError("the builders played here ask for nothing")

    def fold_file(self, running, fold):
        return self.folder / f"{running.number}_{fold}"

    def ended(self, running, outcome):
        self.ended_numbers.append(running.number)
        for file in self.folder.glob(f"{running.number}_*"):
            file.unlink()

    def failed(self, running, reason, cause):
        self.ended(running, None)

    def died(self, running, death):
        if running.attempt >= 3:
            self.ended(running, None)
        else:
            self.queue.append(Played(running.number, running.attempt + 1, begins_in=running.begins_in))

    def close(self, running):
        assert not running

    # What a worker says

    def trains(self, request):
        running = self.current[request.number]
        yield messages.Built({}, 1, True)
        for fold in range(running.begins_in, self.n_folds):
            running.begins_in = fold
            reply = yield messages.FoldBegins(fold, self.n_folds)
            assert reply.value is None or reply.value == self.fold_file(running, fold)
            for epoch in range(EPOCHS):
                reply = yield messages.Epoch(epoch, 1.0)
                if reply.value is Decision.STOP:
                    return messages.Outcome(TrialState.PRUNED)
        return messages.Outcome(TrialState.COMPLETE)

    def helps(self, message):
        running = self.current[message.request.number]
        if message.fold < running.begins_in:
            self.trained.append((running.number, message.fold))
        for epoch in range(EPOCHS):
            reply = yield messages.Epoch(epoch, 1.0)
            if reply.value is Decision.STOP:
                break
        message.request.checkpoint.touch()


class Answers(messages.Host):
    def __init__(self, play):
        self.play = play

    def answer(self, hyperparameter):
        raise AssertionError("the builders played here ask for nothing")

    def built(self, values, parameters, complete):
        return True

    def resumed(self, reports):
        raise AssertionError("no trial played here has a checkpoint")

    def epoch(self, epoch, value):
        return Decision.STOP if self.play.dice.random() < 0.05 else Decision.GO_ON

    def note(self, line):
        pass


class PlayedWorker:
    def __init__(self, index, play, is_ready=False):
        self.index, self.play = index, play
        self.restart()
        if is_ready:
            self.said, self.ready, self.busy = [], True, False

    def restart(self):
        self.ready, self.busy, self.is_dead = False, True, False
        self.said, self.course, self.waits = [messages.Ready(1)], None, False

    def send(self, message):
        self.busy = True
        if self.is_dead:
            return
        if isinstance(message, messages.Reply):
            assert self.waits
            self.waits = False
            self.go_on(message)
        else:
            assert self.course is None
            is_own = isinstance(message, messages.Request)
            self.course = self.play.trains(message) if is_own else self.play.helps(message)
            self.go_on(None)

    def go_on(self, reply):
        try:
            self.said.append(self.course.send(reply))
            self.waits = True
        except StopIteration as end:
            self.course = None
            self.said.append(messages.Ended(end.value, 1))

    def receive(self):
        if self.is_dead and (not self.said or self.play.dice.random() < 0.5):
            raise WorkerDied(Death("it was killed", KILLED))
        return self.said.pop(0)

    def has_grown(self, memory):
        return self.play.dice.random() < 0.1

    def is_nearly_full(self):
        return False


class PlayedWorkers:
    def __init__(self, count, play):
        self.all, self.play = [PlayedWorker(index, play) for index in range(count)], play

    def __iter__(self):
        return iter(self.all)

    def idle(self):
        return [worker for worker in self.all if worker.ready and not worker.busy]

    def by_index(self, index):
        return self.all[index]

    def wait(self, seconds):
        """Some of those that have something to say, in any order."""
        dice = self.play.dice
        for worker in self.all:
            worker.is_dead = worker.is_dead or dice.random() < self.play.deaths
        speaking = [worker for worker in self.all if worker.said or worker.is_dead]
        self.play.quiet = 0 if speaking else self.play.quiet + 1
        assert self.play.quiet < 50, "nobody has anything to say, and the loop waits"
        dice.shuffle(speaking)
        return speaking[: dice.randint(1, len(speaking))] if speaking else []

    def renew(self, worker):
        if self.play.dice.random() < 0.5:
            worker.restart()
        else:
            self.all[worker.index] = PlayedWorker(worker.index, self.play, is_ready=True)


@settings(max_examples=400)
@given(seed=st.integers(0, 2**32))
@example(seed=7264)  # a helper ends late, after its trial died, was trained again and ended
def test_every_training_ends_once_and_leaves_nothing_behind(tmp_path_factory, seed):
    dice = random.Random(seed)
    play = Play(tmp_path_factory.mktemp("folds"), dice)
    count = dice.randint(1, 5)
    try:
        run_in_workers(play, PlayedWorkers(count, play), dice.randint(1, count))
    except SearchStopped:  # three workers died in a row before they were of any use
        return
    assert sorted(play.ended_numbers) == list(range(play.n_jobs))
    assert play.trained == []
    assert list(play.folder.iterdir()) == []


class Hanging(PlayedWorker):
    """As a helper it says nothing, ever."""

    def send(self, message):
        if isinstance(message, messages.TrainFold):
            self.busy = True
        else:
            super().send(message)


def test_a_helper_that_hangs_is_ended_although_its_trial_has(tmp_path):
    play = Play(tmp_path, random.Random(1))
    play.deaths, play.limits, play.n_folds = 0.0, Limits(9, trial_timeout=0.2), 6
    play.queue = [Played(0)]
    play.host = lambda running: Pruning(play)
    workers = PlayedWorkers(2, play)
    workers.all = [Hanging(index, play) for index in range(2)]
    workers.wait = lambda seconds: [w for w in workers.all if w.said] or time.sleep(0.01) or []
    run_in_workers(play, workers)
    assert play.ended_numbers == [0]


class Pruning(Answers):
    def epoch(self, epoch, value):
        return Decision.STOP


@pytest.mark.parametrize("error", [messages.Declined("not asked for"), MemoryError("no room")])
def test_what_a_helper_is_refused_ends_no_search(tmp_path, error):
    class Refused(PlayedWorker):
        def send(self, message):
            if isinstance(message, messages.TrainFold):
                self.busy = True
                self.said.append(messages.Refused(error))
            else:
                super().send(message)

    play = Play(tmp_path, random.Random(2))
    play.deaths, play.limits, play.queue = 0.0, Limits(9), [Played(0)]
    workers = PlayedWorkers(2, play)
    workers.all = [Refused(index, play) for index in range(2)]
    run_in_workers(play, workers)
    assert play.ended_numbers == [0]
