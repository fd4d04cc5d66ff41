"""Fresh runs of finalists on a real record, without Keras: what is asked for, and what is recorded."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
import pytest

from support.finals_lab import Listener
from truetune.errors import StudyError
from truetune.objective import Objective
from truetune.results.finalists import FreshTraining, choose, missing_runs
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Space
from truetune.storage.database import sqlite_url
from truetune.storage.leases import Leases
from truetune.storage.store import create_store
from truetune.study.budget import Budget, Limits
from truetune.study.context import StudyContext, StudySettings
from truetune.study.evaluation import Evaluation
from truetune.study.reevaluation import FOLD_FILES, Finals, run_finals_in_process
from truetune.study.run_queue import RunningFinal
from truetune.training.messages import Outcome
from truetune.trial import (
    CHOOSING,
    CONFIRMING,
    KILLED,
    OUT_OF_MEMORY,
    FreshRun,
    PlannedRun,
    Schedule,
    Trial,
    TrialState,
)
from truetune.workers.memory import Death

ACCURACY = Objective("val_accuracy", "max")
TRAINING = FreshTraining(finalists=2, runs=2)
NOWHERE = Path("no folds are trained ahead here")
UNITS = Hyperparameter("Int", "units", 1, low=1, high=64, step=1)
TRIALS = (
    Trial(0, TrialState.PRUNED, {"units": 1}, score=0.3, best_epoch=1, epochs=1),
    Trial(1, TrialState.COMPLETE, {"units": 2}, score=0.6, best_epoch=2, epochs=3),
    Trial(2, TrialState.COMPLETE, {"units": 3}, score=0.7, best_epoch=5, epochs=9, schedule=Schedule(9, 3, parent=1)),
)


@pytest.fixture
def store(tmp_path):
    made = create_store(sqlite_url(tmp_path / "optuna.db"), "study", "max", "val_accuracy")
    yield made
    made.close()


def finals_of(store, listener=None, budget=None, leases=None):
    space = Space()
    space.add(UNITS)
    return started(store, TRIALS, space, listener or Listener(), budget=budget, leases=leases)


def started(store, trials, space, listener, evaluation=None, budget=None, leases=None):
    settings = StudySettings(Limits(3), ACCURACY, seed=7, evaluation=evaluation or Evaluation())
    context = StudyContext(store, space, listener, NOWHERE, NOWHERE, leases)
    return Finals(trials, partial(missing_runs, trials, ACCURACY, TRAINING), settings, context, budget)


def scored(request):
    return Outcome(TrialState.COMPLETE, score=request.number / 10 + request.seed % 1000 / 1e5, best_score=1.0)


# The record


def test_a_fresh_run_is_read_as_it_was_written(store):
    runs = [
        FreshRun(12, 0, CHOOSING, 0.1 + 0.2, 1 / 3, 1.5),
        FreshRun(3, 1, CHOOSING, None, None, reason="loss became nan"),
        FreshRun(3, 0, CONFIRMING, 0.5, 0.5),
    ]
    for run in runs:
        store.add_fresh(run)
    assert store.fresh_runs() == [runs[1], runs[0], runs[2]]
    store.add_fresh(FreshRun(3, 1, CHOOSING, 0.6, 0.7))
    assert len(store.fresh_runs()) == 3
    assert store.meta == {}


@pytest.mark.parametrize("damage", [{"score": 0.99}, {"reason": None}])
def test_a_fresh_run_that_was_changed_is_noticed(store, damage):
    store.add_fresh(FreshRun(3, 0, CHOOSING, 0.5, 0.5))
    study = optuna.load_study(study_name="study", storage=store.url)
    (key,) = (name for name in study.user_attrs if name.startswith("truetune:fresh:"))
    assert key == "truetune:fresh:choosing:3:0"
    study.set_user_attr(key, json.dumps({**json.loads(study.user_attrs[key]), **damage}))
    with pytest.raises(StudyError, match="the checksum of a re-training does not match"):
        store.fresh_runs()


# Without training: what is asked for


def test_candidates_share_seed_and_split_and_stages_do_not(store):
    requests = []

    def train(request, host):
        requests.append((request, host.answer(UNITS)))
        return scored(request)

    run_finals_in_process(finals_of(store), train)
    fresh = store.fresh_runs()
    draws = {(r.seed, r.split_seed) for r, _ in requests}
    assert len(draws) == len({(run.stage, run.repeat) for run in fresh}) == 4
    assert derive_seed(7, "fresh", CHOOSING, 0, "split") in {r.split_seed for r, _ in requests}
    assert {(r.number, units) for r, units in requests} == {(0, 1), (1, 2), (2, 3)}
    assert {run.best for run in fresh} == {1.0}


def test_the_epoch_is_the_one_that_the_search_chose_and_training_begins_afresh(store):
    finals = finals_of(store)
    finals.begin_stage()
    asked = {running.planned.trial: finals.request(running) for _ in range(6) if (running := finals.next())}
    # Trial 0 was pruned before an epoch could be chosen.
    assert {number: request.score_epoch for number, request in asked.items()} == {0: None, 1: 2, 2: 5}
    assert asked[2].schedule == Schedule(epochs=9)
    assert asked[1].schedule == Schedule()
    assert {request.checkpoint for request in asked.values()} == {None}


def test_todays_config_is_trained_in_full_however_early_hyperband_gave_it_up(store):
    first = replace(TRIALS[0], state=TrialState.COMPLETE, schedule=Schedule(3, bracket=0, round=0))
    space = Space()
    space.add(UNITS)
    trials = (first, *TRIALS[1:])
    finals = started(store, trials, space, Listener(), Evaluation(epochs=9))
    finals.begin_stage()
    asked = {running.planned.trial: finals.request(running) for _ in range(6) if (running := finals.next())}
    assert (asked[0].schedule.epochs, asked[0].score_epoch) == (None, None)
    assert (asked[2].schedule.epochs, asked[2].score_epoch) == (9, 5)


def test_both_stages_are_trained_and_said(store):
    listener = Listener()
    run_finals_in_process(finals_of(store, listener), lambda request, host: scored(request))
    assert listener.stages == [6, 4]
    assert [done for _, done, _ in listener.ended] == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]
    assert sorted(store.fresh_runs(), key=str) == sorted((run for run, _, _ in listener.ended), key=str)
    assert choose(TRIALS, ACCURACY, TRAINING, store.fresh_runs()).winner == 2


def test_after_an_interruption_the_missing_runs_are_trained(store):
    whole, parts = [], []

    def train(request, host):
        whole.append(request)
        return scored(request)

    def interrupted(request, host):
        if len(parts) == 4:
            raise KeyboardInterrupt
        parts.append(request)
        return scored(request)

    with pytest.raises(KeyboardInterrupt):
        run_finals_in_process(finals_of(store), interrupted)
    run_finals_in_process(finals_of(store), train)
    assert len(parts) + len(whole) == len(store.fresh_runs()) == 10
    run_finals_in_process(finals_of(store), train)
    assert len(whole) == 6


def test_a_builder_that_asks_for_something_else_is_out(store):
    def train(request, host):
        host.answer(Hyperparameter("Int", "depth", 1, low=1, high=3, step=1))
        return scored(request)

    run_finals_in_process(finals_of(store), train)
    fresh = store.fresh_runs()
    assert {run.score for run in fresh} == {None}
    assert all("requested 'depth'" in run.reason for run in fresh)


def test_a_run_that_failed_is_recorded_with_its_reason(store):
    def train(request, host):
        return Outcome(TrialState.FAILED, reason="loss became nan") if request.number == 2 else scored(request)

    run_finals_in_process(finals_of(store), train)
    fresh = store.fresh_runs()
    assert {run.reason for run in fresh if run.trial == 2} == {"loss became nan"}
    assert choose(TRIALS, ACCURACY, TRAINING, fresh).winner == 1


def test_what_another_process_recorded_meanwhile_is_not_trained_again(store):
    trained, listener = [], Listener()

    def train(request, host):
        trained.append(request)
        if len(trained) == 1:  # the other one is quicker, and trains all of this stage
            for run in missing_runs(TRIALS, ACCURACY, TRAINING, []):
                store.add_fresh(FreshRun(run.trial, run.repeat, run.stage, 0.5 + run.trial / 10, 1.0))
        return Outcome(TrialState.COMPLETE, score=0.5)

    run_finals_in_process(finals_of(store, listener), train)
    assert [done for _, done, total in listener.ended if total == 6] == [1, 2, 3, 4, 5, 6]
    assert len(trained) == 1 + listener.stages[1]


def test_a_run_whose_worker_died_is_handed_out_again_at_most_as_often_as_allowed(store):
    listener = Listener()
    finals = finals_of(store, listener)
    finals.begin_stage()
    first = finals.next()
    finals.died(first, Death("the worker was ended by SIGKILL from outside", KILLED))
    others = [finals.next() for _ in range(5)]
    again = finals.next()
    assert (again.planned, again.attempt) == (first.planned, 1)
    assert first.planned not in {other.planned for other in others}
    assert not finals.has_more
    assert "Retrying a re-training" in listener.lines[0]
    finals.died(again, Death("out of memory", OUT_OF_MEMORY))
    assert [(run.planned, run.reason) for run in store.fresh_runs()] == [(first.planned, "out of memory")]


# Several processes


@pytest.fixture
def stores(tmp_path):
    """Two processes on one record; both are alive."""
    pair = [create_store(sqlite_url(tmp_path / "optuna.db"), "study", "max", "val_accuracy") for _ in range(2)]
    for made in pair:
        made.beat(0)
    yield pair
    for made in pair:
        made.close()


@pytest.fixture
def shared(stores, monkeypatch):
    monkeypatch.setattr("truetune.study.run_queue.LOOK_SECONDS", 0.0)
    finals = [finals_of(made, leases=Leases(made.owner, 60.0)) for made in stores]
    for one in finals:
        assert one.begin_stage()
    return finals


def test_two_processes_train_every_run_once(stores, shared):
    running = [one.next() for _ in range(3) for one in shared]
    planned = {each.planned for each in running}
    assert len(planned) == 6
    for i, each in enumerate(running):
        assert shared[i % 2].next() is None
        shared[i % 2].ended(each, scored(shared[i % 2].request(each)))
        assert shared[i % 2].waits_for_others == (i < 5)
    assert [one.next() for one in shared] == [None, None]
    assert not any(one.waits_for_others or one.has_more for one in shared)
    assert {run.planned for run in stores[0].fresh_runs()} == planned


def test_the_runs_of_a_process_that_died_are_trained_by_another(stores, shared):
    first, second = shared
    lost = [first.next() for _ in range(6)]
    assert second.next() is None
    assert second.waits_for_others
    second_store = stores[1]
    second_store.forget([stores[0].owner.token])  # as after its lease ran out
    assert {second.next().planned for _ in range(6)} == {running.planned for running in lost}
    assert second.next() is None
    assert not second.waits_for_others


def test_in_this_process_one_waits_for_what_another_trains(stores, shared):
    first, second = shared
    running = first.next()
    trained = []

    def train(request, host):
        trained.append(request)
        if len(trained) == 5:
            first.ended(running, scored(first.request(running)))
        return scored(request)

    run_finals_in_process(second, train)
    assert len({run.planned for run in stores[1].fresh_runs()}) == len(stores[1].fresh_runs()) > 6
    assert len(trained) == len(stores[1].fresh_runs()) - 1


# Time


def test_without_time_for_a_run_none_is_started_and_that_is_said(store):
    listener = Listener()
    spent = Budget(Limits(3, time_budget=60), ACCURACY, [replace(TRIALS[1], seconds=3600.0)])
    trained = []
    run_finals_in_process(finals_of(store, listener, spent), lambda request, host: trained.append(request))
    assert trained == []
    assert listener.stages == []
    (line,) = listener.lines
    assert "rerun the same command to continue. Another trial takes about 1 h" in line


def test_a_run_that_began_in_time_is_the_last(store):
    listener = Listener()
    budget = Budget(Limits(3, time_budget=60), ACCURACY)

    def train(request, host):
        budget.count(replace(TRIALS[1], seconds=3600.0))
        return scored(request)

    run_finals_in_process(finals_of(store, listener, budget), train)
    assert len(store.fresh_runs()) == 1
    assert len(listener.lines) == 1


@pytest.mark.parametrize("stage", [CHOOSING, CONFIRMING])
def test_the_file_of_a_fold_tells_which_run_it_is_of(store, stage):
    """`truetune clean` finds the files of ended runs by this pattern."""
    file = finals_of(store).fold_file(RunningFinal(PlannedRun(12, 3, stage)), 4)
    found = re.fullmatch(FOLD_FILES, file.name)
    assert (found["stage"], int(found["trial"]), int(found["repeat"])) == (stage, 12, 3)
