"""Fresh runs of finalists in real worker processes."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

import truetune
from support.finals_lab import Listener
from truetune.results.finalists import FreshTraining, choose, missing_runs
from truetune.session.opening import opened
from truetune.session.request import SearchRequest
from truetune.space import Hyperparameter, Space
from truetune.study.budget import Limits
from truetune.study.context import StudyContext, StudySettings
from truetune.study.events import Observer
from truetune.study.loop import run_in_workers, trained
from truetune.study.options import SearchOptions
from truetune.study.reevaluation import Finals, run_finals_in_process
from truetune.trial import Trial, TrialState

pytestmark = pytest.mark.tensorflow

ACCURACY = truetune.Objective("val_accuracy", "max")
TRAINING = FreshTraining(finalists=2, runs=2)


def build(hp):
    import keras

    units = hp.Int("units", 1, 64)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def killed_once(marker):
    """As `build`, but the first process that builds while `marker` exists removes it and is killed."""

    def build_and_die(hp):
        if marker.exists():
            marker.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return build(hp)

    return build_and_die


def hangs_or_dies(hp):
    """Hangs for the values of trial 0, and is killed for all others."""
    if hp.Int("units", 1, 64) == 4:
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGKILL)


def space():
    made = Space()
    made.add(Hyperparameter("Int", "units", 1, low=1, high=64, step=1))
    return made


def trial(number):
    state = TrialState.COMPLETE
    return Trial(number, state, {"units": 4 + number}, score=0.5 + number / 10, epochs=2, best_epoch=2, parameters=9)


@pytest.fixture
def searched(tmp_path, blobs):
    """A session whose record holds a search of three trials, by the builder that is given."""

    def search(builder, **options):
        task = truetune.Task("final", builder, blobs, ACCURACY, epochs=2)
        return opened(SearchRequest(task, SearchOptions(max_trials=3, directory=tmp_path, **options), Observer()))

    return search


def finals_of(session, listener, training=TRAINING, limits=None):
    session.prepare_data()
    trials = [trial(number) for number in range(3)]
    missing = partial(missing_runs, trials, ACCURACY, training)
    settings, place = StudySettings(limits or Limits(3), ACCURACY, seed=7), session.place
    context = StudyContext(session.store, space(), listener, place.checkpoints, place.weights)
    return Finals(trials, missing, settings, context)


def test_finalists_are_trained_in_workers_and_one_that_is_killed_is_trained_again(searched, tmp_path):
    listener, marker = Listener(), tmp_path / "kill"
    marker.touch()
    with searched(killed_once(marker), workers=2) as session:
        finals = finals_of(session, listener)
        with session.workers() as workers:
            while finals.begin_stage():
                run_in_workers(finals, workers)
        fresh = session.store.fresh_runs()
    assert not marker.exists()
    assert [line for line in listener.lines if "Retrying a re-training" in line]
    choice = choose([trial(number) for number in range(3)], ACCURACY, TRAINING, fresh)
    assert listener.stages == [6, 2 if choice.winner == 0 else 4]
    assert sorted(fresh, key=str) == sorted((run for run, _, _ in listener.ended), key=str)
    assert all(0 <= run.score <= run.best <= 1 and run.seconds > 0 for run in fresh)
    assert choice.confirmed is not None


def test_runs_that_hang_or_whose_workers_always_die_fail_and_end(searched):
    training, limits = FreshTraining(finalists=1, runs=1), Limits(3, trial_timeout=10, max_retries=0)
    with searched(hangs_or_dies, workers=2) as session:
        finals = finals_of(session, Listener(), training, limits)
        with session.workers() as workers:
            while finals.begin_stage():
                run_in_workers(finals, workers)
        fresh = {run.trial: run for run in session.store.fresh_runs()}
    assert {number: run.score for number, run in fresh.items()} == {0: None, 2: None}
    assert fresh[0].reason == "it took longer than --trial-timeout allows (10 s)"
    assert "SIGKILL" in fresh[2].reason


def test_finalists_are_trained_in_this_process(searched):
    listener = Listener()
    with searched(build, workers=0) as session:
        finals = finals_of(session, listener)
        task, folds = session.in_process()
        run_finals_in_process(finals, partial(trained, task, folds))
        assert len(session.store.fresh_runs()) == sum(listener.stages) > 0
