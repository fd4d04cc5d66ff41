"""Searches with real worker processes: accidents cost one trial each, and the rest goes on."""

from __future__ import annotations

import os
import signal

import numpy as np
import optuna
import psutil
import pytest

import truetune
from truetune.errors import BuildError, ObjectiveError
from truetune.study.events import Observer
from truetune.trial import TrialState

pytestmark = pytest.mark.tensorflow

ACCIDENTS = ["none", "quiet", "exit", "kill", "raise", "nan"]


def accident_prone(hp):
    """A model whose `fit` has the accident that `hp` says."""
    import keras

    accident = hp.Choice("accident", ACCIDENTS)

    class Prone(keras.Sequential):
        def fit(self, *args, **kwargs):
            if accident == "exit":
                os._exit(3)
            if accident == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if accident == "raise":
                raise RuntimeError("an accident in fit")
            return super().fit(*args, **kwargs)

    model = Prone([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    rate = float("inf") if accident == "nan" else 0.01
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def cannot_build(hp):
    raise LookupError("there is no such layer")


def dataset():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 60)
    X = rng.normal(size=(120, 4)).astype("float32") + y[:, None] * np.float32(2)
    return truetune.Dataset(X, y, groups=np.repeat(np.arange(12), 10))


def task(hypermodel=accident_prone, objective="val_accuracy", **changes):
    return truetune.Task("prone", hypermodel, dataset(), truetune.Objective(objective, "max"), epochs=2, **changes)


class Listener(Observer):
    def __init__(self):
        self.lines, self.workers, self.ended = [], set(), False

    def note(self, line):
        self.lines.append(line)

    def trial_started(self, trial, worker):
        self.workers.add(worker)

    def search_ended(self):
        self.ended = True


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    listener = Listener()
    before = set(psutil.Process().children())
    result = truetune.tune(
        task(), max_trials=len(ACCIDENTS), workers=2, directory=folder, observer=listener, finalists=0
    )
    left = [p for p in set(psutil.Process().children()) - before if "spawn_main" in " ".join(p.cmdline())]
    return result, listener, folder, left


def by_accident(result):
    return {t.values["accident"]: t for t in result.trials}


def test_every_trial_is_there_once_with_its_own_values(searched):
    result, *_ = searched
    assert [t.number for t in result.trials] == list(range(len(ACCIDENTS)))
    assert set(by_accident(result)) == set(ACCIDENTS)


def test_a_worker_that_dies_costs_one_trial_with_the_reason(searched):
    trials = by_accident(searched[0])
    assert trials["exit"].state is trials["kill"].state is TrialState.FAILED
    assert trials["exit"].reason == "the worker ended with exit code 3"
    assert "SIGKILL" in trials["kill"].reason
    assert trials["kill"].seconds > 0


def test_an_exception_or_a_broken_loss_costs_one_trial_with_the_reason(searched):
    trials = by_accident(searched[0])
    assert trials["raise"].state is trials["nan"].state is TrialState.FAILED
    assert trials["raise"].reason == "RuntimeError: an accident in fit"
    assert "became nan" in trials["nan"].reason


def test_the_others_are_complete_and_one_of_them_wins(searched):
    result, *_ = searched
    trials = by_accident(result)
    for name in ("none", "quiet"):
        trial = trials[name]
        assert trial.state is TrialState.COMPLETE
        assert set(trial.reports) == {1, 2}
        assert trial.parameters == 10
        assert trial.seconds > 0
        assert trial.score == max(trial.reports.values())
    assert result.best_hyperparameters["accident"] in ("none", "quiet")


def test_both_workers_trained_and_none_is_left(searched):
    _, listener, _, left = searched
    assert listener.workers == {0, 1}
    assert listener.ended
    assert left == []


def test_the_screen_hears_how_the_data_were_split(searched):
    _, listener, folder, _ = searched
    assert [line for line in listener.lines if "sealed for the final test (by subject)" in line]
    assert not (folder / "tuning" / "prone_optuna" / "data").exists()
    assert (folder / "tuning" / "prone_optuna" / "seal.json").exists()


def test_optuna_loads_the_study(searched):
    result, *_ = searched
    study = optuna.load_study(study_name=result.study_name, storage=result.storage)
    assert len(study.trials) == len(ACCIDENTS)
    assert study.best_value == result.best_score


def test_the_same_call_again_does_nothing(searched):
    result, _, folder, _ = searched
    listener = Listener()
    again = truetune.tune(
        task(), max_trials=len(ACCIDENTS), workers=2, directory=folder, observer=listener, finalists=0
    )
    assert again.trials == result.trials
    assert any("nothing to do" in line for line in listener.lines)
    assert listener.workers == set()


def test_a_builder_that_cannot_build_shows_the_users_traceback_through_the_pipe(tmp_path):
    with pytest.raises(BuildError, match=r"LookupError: there is no such layer") as caught:
        truetune.tune(task(cannot_build), directory=tmp_path)
    assert 'raise LookupError("there is no such layer")' in caught.value.user_traceback
    assert "truetune/training" not in caught.value.user_traceback


def test_an_objective_that_is_never_logged_is_said_before_the_first_trial_ends(tmp_path):
    with pytest.raises(ObjectiveError, match=r"'val_f1'.*accuracy, loss, val_accuracy, val_loss"):
        truetune.tune(task(objective="val_f1"), directory=tmp_path)
