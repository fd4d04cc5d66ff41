"""Fresh runs of finalists on a real record: handed out once, recorded, trained again after a death."""

from __future__ import annotations

import json
import os
import signal
from functools import partial

import numpy as np
import optuna
import pytest

import truetune
from truetune.errors import StudyError
from truetune.results.finalists import FreshTraining, choose, missing_runs
from truetune.seeds import derive_seed
from truetune.session import opened
from truetune.space import Hyperparameter
from truetune.study.budget import Limits
from truetune.study.database import sqlite_url
from truetune.study.events import Observer
from truetune.study.finals import Finals, run_finals_in_process
from truetune.study.finals_loop import run_finals_in_workers
from truetune.study.options import SearchOptions
from truetune.study.store import Store
from truetune.training.protocol import Outcome
from truetune.trial import CHOOSING, CONFIRMING, FreshRun, TrialState

pytestmark = pytest.mark.tensorflow

ACCURACY = truetune.Objective("val_accuracy", "max")
TRAINING = FreshTraining(finalists=2, runs=2)


class Listener(Observer):
    def __init__(self):
        self.lines, self.stages, self.ended = [], [], []

    def note(self, line):
        self.lines.append(line)

    def finals_started(self, n_runs):
        self.stages.append(n_runs)

    def fresh_run_ended(self, run, done, total):
        self.ended.append((run, done, total))


def build(hp):
    import keras

    units = hp.Int("units", 1, 64)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def killed_once(marker):
    """As `build`; the process that trains after `marker` was written is killed, and removes it."""

    def build_and_die(hp):
        if marker.exists():
            marker.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return build(hp)

    return build_and_die


def killed_always(marker):
    def build_and_die(hp):
        if marker.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return build(hp)

    return build_and_die


@pytest.fixture
def searched(tmp_path, blobs):
    """A session whose search has ended, by the builder that is given."""

    def search(builder, folder="study", **options):
        task = truetune.Task("final", builder, blobs, ACCURACY, epochs=2)
        chosen = SearchOptions(max_trials=3, directory=tmp_path / folder, **options)
        return opened(task, chosen, Listener())

    return search


def finals_of(session, listener, training=TRAINING, limits=None):
    trials = session.store.trials()
    missing = partial(missing_runs, trials, ACCURACY, training)
    result = session.result()
    return Finals(session.store, result.space, trials, missing, 7, limits or Limits(3), listener)


def test_finalists_are_trained_in_workers_and_recorded(searched):
    listener = Listener()
    with searched(build, workers=2) as session:
        session.search()
        trials = session.store.trials()
        with session.workers() as workers:
            run_finals_in_workers(finals_of(session, listener), workers)
            run_finals_in_workers(finals_of(session, listener), workers)  # nothing is left to do
        fresh = session.store.fresh_runs()
    choice = choose(trials, ACCURACY, TRAINING, fresh)
    n_choosing = 2 * len(choice.finalists)
    n_confirming = 2 if choice.winner == 0 else 4
    assert listener.stages == [n_choosing, n_confirming]
    assert [done for _, done, _ in listener.ended] == [*range(1, n_choosing + 1), *range(1, n_confirming + 1)]
    assert sorted(fresh, key=str) == sorted((run for run, _, _ in listener.ended), key=str)
    assert all(0 <= run.score <= run.best <= 1 and run.seconds > 0 for run in fresh)
    assert choice.confirmed is not None


def test_a_run_whose_worker_was_killed_is_trained_again(searched, tmp_path):
    listener, marker = Listener(), tmp_path / "kill"
    with searched(killed_once(marker)) as session:
        session.search()
        marker.touch()
        with session.workers() as workers:
            run_finals_in_workers(finals_of(session, listener), workers)
        fresh = session.store.fresh_runs()
    assert not marker.exists()
    assert [line for line in listener.lines if "is trained again" in line]
    assert all(run.score is not None for run in fresh)


def test_runs_whose_workers_always_die_fail_and_end(searched, tmp_path):
    listener, marker = Listener(), tmp_path / "kill"
    with searched(killed_always(marker)) as session:
        session.search()
        marker.touch()
        training = FreshTraining(finalists=1, runs=1)
        with session.workers() as workers:
            run_finals_in_workers(finals_of(session, listener, training, Limits(3, max_retries=0)), workers)
        fresh = session.store.fresh_runs()
        trials = session.store.trials()
    assert fresh
    assert all(run.score is None and "SIGKILL" in run.reason for run in fresh)
    assert choose(trials, ACCURACY, training, fresh).winner is None


def test_finalists_are_trained_in_this_process(searched):
    from truetune.training.trial import run_trial

    listener = Listener()
    with searched(build, workers=0) as session:
        session.search()
        task, parts = session.in_process()
        run_finals_in_process(finals_of(session, listener), partial(run_trial, task, parts))
        assert len(session.store.fresh_runs()) == sum(listener.stages) > 0


# The record


@pytest.fixture
def store(tmp_path):
    made = Store(sqlite_url(tmp_path / "optuna.db"), "study", "max", "val_accuracy")
    yield made
    made.close()


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
    with pytest.raises(StudyError, match="the checksum of a fresh run does not fit"):
        store.fresh_runs()


# Without training: what is asked for


def scored(request):
    return Outcome(TrialState.COMPLETE, score=request.seed % 1000 / 1000, best_score=1.0, seconds=0.5)


def test_candidates_share_seed_and_split_and_stages_do_not(searched):
    requests = []

    def train(request, host):
        requests.append((request, host.answer(Hyperparameter("Int", "units", 1, low=1, high=64, step=1))))
        return scored(request)

    with searched(build, workers=0) as session:
        session.search()
        run_finals_in_process(finals_of(session, Listener()), train)
        trials = {trial.number: trial for trial in session.store.trials()}
        fresh = session.store.fresh_runs()
    seeds = {run.planned: (run.stage, run.repeat) for run in fresh}
    assert len({(r.seed, r.split_seed) for r, _ in requests}) == len(set(seeds.values())) == 4
    assert derive_seed(7, "fresh", CHOOSING, 0, "split") in {r.split_seed for r, _ in requests}
    for request, units in requests:
        trial = trials[request.number]
        assert units == trial.values["units"]
        assert request.score_epoch == trial.best_epoch
        assert request.checkpoint is None
        assert request.schedule.parent is None
    assert {run.best for run in fresh} == {1.0}


def test_a_builder_that_asks_for_something_else_is_out(searched):
    def train(request, host):
        host.answer(Hyperparameter("Int", "depth", 1, low=1, high=3, step=1))
        return scored(request)

    with searched(build, workers=0) as session:
        session.search()
        run_finals_in_process(finals_of(session, Listener()), train)
        fresh = session.store.fresh_runs()
    assert {run.score for run in fresh} == {None}
    assert {"asks for 'depth'" in run.reason for run in fresh} == {True}


def test_what_another_process_recorded_meanwhile_is_not_trained_again(searched):
    trained = []
    with searched(build, workers=0) as session:
        session.search()

        def train(request, host):
            trained.append(request)
            if len(trained) == 1:  # the other one is quicker, and trains all of this stage
                for run in missing_runs(session.store.trials(), ACCURACY, TRAINING, []):
                    session.store.add_fresh(FreshRun(run.trial, run.repeat, run.stage, 0.5 + run.trial / 10, 1.0))
            return Outcome(TrialState.COMPLETE, score=0.5)

        listener = Listener()
        run_finals_in_process(finals_of(session, listener), train)
    assert listener.ended[listener.stages[0] - 1][1:] == (listener.stages[0], listener.stages[0])
    assert len(trained) == 1 + listener.stages[1]
    assert np.isfinite([run.score for run, _, _ in listener.ended]).all()
