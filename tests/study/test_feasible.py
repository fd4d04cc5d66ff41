"""Models that are too large: the lifecycle with the real record and the real searcher; the test plays the worker."""

from __future__ import annotations

import pytest

from truetune.errors import InputError
from truetune.search.base import SearchProblem
from truetune.search.optuna import TPESearcher
from truetune.study.budget import Limits
from truetune.study.database import sqlite_url
from truetune.study.events import Observer
from truetune.study.lifecycle import Lifecycle
from truetune.study.store import Store
from truetune.task import Objective
from truetune.testing.driver import LightHyperparameters, trace
from truetune.training.protocol import Declined, Outcome
from truetune.trial import ERROR, OUT_OF_MEMORY, TrialState

REFUSED = "Models at least as large as one that ran out of memory are not tried again."


def ladder(hp):
    hp.Choice("units", [1, 2, 4, 8, 16, 32])
    hp.Float("rate", 0.0, 1.0)
    hp.Fixed("batch_size", 64)


class Notes(Observer):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


class Lab:
    """One study on disk; `open` is a supervisor that starts."""

    def __init__(self, folder):
        self.url, self.stores, self.notes = sqlite_url(folder / "optuna.db"), [], Notes()

    def open(self, max_trials, max_parameters=None):
        self.store = Store(self.url, "study", "max", "score")
        self.stores.append(self.store)
        space = trace(ladder)
        searcher = TPESearcher(SearchProblem(space.copy(), "max", "score", 20, 3, 0))
        trials = self.store.trials()
        searcher.restore([trial for trial in trials if trial.is_built])
        self.lifecycle = Lifecycle(
            searcher,
            self.store,
            space,
            trials,
            limits=Limits(max_trials),
            objective=Objective("score", "max"),
            seed=0,
            checkpoints=self.store_folder,
            observer=self.notes,
            max_parameters=max_parameters,
        )

    @property
    def store_folder(self):
        from pathlib import Path

        return Path(self.url.removeprefix("sqlite:///")).parent / "checkpoints"

    def build(self, running):
        hp = LightHyperparameters(lambda hyperparameter: self.lifecycle.answer(running, hyperparameter))
        ladder(hp)
        return self.lifecycle.built(running, dict(hp.values), hp.values["units"] * 10)

    def run(self, outcome):
        """Train what is proposed; `outcome` is told the units."""
        while (running := self.lifecycle.next(0)) is not None:
            try:
                is_accepted = self.build(running)
            except Declined:
                is_accepted = False
            self.lifecycle.ended(running, outcome(running.answers["units"]) if is_accepted else None)


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path)
    yield made
    for store in made.stores:
        store.close()


def fits_up_to(most):
    def outcome(units):
        if units <= most:
            return Outcome(TrialState.COMPLETE, score=units / 100, epochs=1, best_epoch=1)
        return Outcome(TrialState.FAILED, reason="out of memory: 3.1 GiB of 3.0 GiB allowed", cause=OUT_OF_MEMORY)

    return outcome


def test_what_ran_out_of_memory_is_recorded_with_its_size(lab):
    lab.open(20)
    lab.run(fits_up_to(2))
    failures = [trial for trial in lab.store.trials() if trial.cause == OUT_OF_MEMORY]
    assert failures
    for trial in failures:
        size = f"{trial.values['units'] * 10} parameters, batch size 64"
        assert trial.reason == f"out of memory: 3.1 GiB of 3.0 GiB allowed; {size}"


def test_nothing_as_large_is_tried_again_also_after_a_resume(lab):
    lab.open(10)
    lab.run(fits_up_to(2))
    lab.open(20)
    lab.run(fits_up_to(2))
    smallest = 64
    for trial in lab.store.trials():
        assert trial.values["units"] < smallest
        if trial.cause == OUT_OF_MEMORY:
            smallest = trial.values["units"]
    assert len(lab.store.trials()) == 20
    assert REFUSED in lab.notes.lines


def test_a_search_that_was_resumed_is_the_uninterrupted_one(lab, tmp_path):
    lab.open(9)
    lab.run(fits_up_to(2))
    lab.open(16)
    lab.run(fits_up_to(2))
    (tmp_path / "whole").mkdir()
    whole = Lab(tmp_path / "whole")
    whole.open(16)
    whole.run(fits_up_to(2))
    outlines = [[(t.number, t.values, t.state, t.cause) for t in found.store.trials()] for found in (lab, whole)]
    assert outlines[0] == outlines[1]
    whole.store.close()


def test_a_builder_that_died_on_the_way_forbids_what_is_as_large(lab):
    lab.open(12)
    lab.build(first := lab.lifecycle.next(0))
    lab.lifecycle.ended(first, fits_up_to(2)(1))
    died = lab.lifecycle.next(0)
    units = lab.lifecycle.answer(died, trace(ladder)["units"])
    lab.lifecycle.ended(died, fits_up_to(0)(1))
    assert "its model was not built to the end" in lab.store.trials()[1].reason
    lab.run(fits_up_to(64))
    assert all(trial.values["units"] < units for trial in lab.store.trials()[2:])


def test_other_failures_have_a_cause_too(lab):
    lab.open(2)
    lab.run(lambda units: Outcome(TrialState.FAILED, reason="loss became nan"))
    assert [trial.cause for trial in lab.store.trials()] == [ERROR, ERROR]


def test_models_of_too_many_parameters_are_not_trained_and_do_not_count(lab):
    lab.open(12, max_parameters=50)
    lab.run(fits_up_to(64))
    assert len(lab.store.trials()) == 12
    assert all(trial.parameters <= 50 for trial in lab.store.trials())
    said = "Models of more than 50 parameters are not trained; another is proposed instead."
    assert lab.notes.lines == [said]


def test_today_with_too_many_parameters_is_bad_input(lab):
    lab.open(4, max_parameters=9)
    with pytest.raises(InputError, match=r"trial 0\) has 10 parameters; max_parameters=9"):
        lab.build(lab.lifecycle.next(0))
