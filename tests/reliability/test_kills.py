"""Fifty SIGKILLs at random instants, at supervisors and workers: nothing that finished is lost, nothing is repeated."""

from __future__ import annotations

import random
import time

import optuna
import psutil
import pytest

from support.witness import Witness, assert_each_once
from truetune.trial import TrialState

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]

KILLS = 50
SUPERVISORS = 14
"""So many of the kills hit a supervisor; its workers end by themselves."""

PROCESSES = 2
LONGEST_PAUSE_SECONDS = 4.0
ENDLESS = 100_000


def kill_supervisor(searching, process):
    orphans = searching.workers(process)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(orphans, timeout=30)
    assert alive == [], "a worker outlived its supervisor"


def kill_worker(searching, process, chance):
    """Whichever there is, be it loading, idle or training."""
    deadline = time.monotonic() + 60
    while not (workers := searching.workers(process)) and time.monotonic() < deadline:
        if process.poll() is not None:
            return
        time.sleep(0.05)
    chance.choice(workers).kill()


def alive(searching, processes):
    """The searches; one that was killed, or whose worker was killed three times while it loaded, begins again."""
    for index, process in enumerate(processes):
        if process.poll() is not None:
            assert process.returncode < 0 or gave_up(process), searching.logs()
            processes[index] = searching.start()
    return processes


def gave_up(process):
    log = process.log.read_text()
    return (
        "A worker cannot start: the worker was ended by SIGKILL" in log
        or "worker that inspects the default model" in log
    )


def test_fifty_kills_lose_and_repeat_nothing(search):
    searching = search(max_trials=ENDLESS, max_retries=KILLS, epoch_seconds=0.3)
    witness, chance = Witness(), random.Random(8)
    victims = ["supervisor"] * SUPERVISORS + ["worker"] * (KILLS - SUPERVISORS)
    chance.shuffle(victims)
    processes = [searching.start() for _ in range(PROCESSES)]
    searching.wait_for_trials(1)
    for victim in victims:
        process = chance.choice(alive(searching, processes))
        time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
        if victim == "supervisor":
            kill_supervisor(searching, process)
        else:
            kill_worker(searching, process, chance)
        witness.look(searching.trials())
    for process in processes:
        kill_supervisor(searching, process)

    count = len(searching.trials()) + 4
    searching.finish(searching.start(max_trials=count))
    trials = searching.trials()
    witness.look(trials)
    assert_each_once(trials, count)
    assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}, searching.logs()
    assert any(t.attempt for t in trials), "no kill hit a running trial"
    study = optuna.load_study(study_name="cheap", storage=searching.url)
    assert study.best_trial.number in {t.number for t in trials if t.state is TrialState.COMPLETE}
    print(f"{len(trials)} trials, {sum(t.attempt for t in trials)} of {KILLS} kills hit one that ran")
