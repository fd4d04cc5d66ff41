"""One study on disk and supervisors that open it, without Keras: the test plays the worker."""

from __future__ import annotations

from truetune.objective import Objective
from truetune.search.base import SearchProblem
from truetune.search.optuna.searcher import TPESearcher
from truetune.storage.database import sqlite_url
from truetune.storage.leases import Leases
from truetune.storage.store import create_store
from truetune.study.budget import Limits
from truetune.study.context import StudyContext, StudySettings
from truetune.study.events import Observer
from truetune.study.trials.lifecycle import Lifecycle
from truetune.testing.driver import LightHyperparameters
from truetune.testing.driver import trace as trace_builder
from truetune.training.messages import Outcome
from truetune.trial import TrialState


def build(hp):
    hp.Int("units", 1, 100)
    if hp.Boolean("deep"):
        hp.Float("rate", 1e-4, 1e-1, sampling="log")


def tiny(hp):
    hp.Choice("act", ["relu", "tanh", "gelu"])


class Notes(Observer):
    def __init__(self):
        self.lines, self.started, self.ended, self.epochs = [], [], [], []
        self.elsewhere, self.dropped = [], []

    def note(self, line):
        self.lines.append(line)

    def trial_started(self, trial, worker):
        self.started.append((trial.number, worker))

    def trial_ended_elsewhere(self, trial):
        self.elsewhere.append(trial)

    def trial_dropped(self, number, worker):
        self.dropped.append(number)

    def trial_ended(self, trial, worker):
        self.ended.append((trial.number, trial.state))

    def epoch_ended(self, number, epoch, value):
        self.epochs.append((number, epoch, value))


class Lab:
    """One study on disk; `open` is a supervisor that starts.

    Args:
        folder: of the study.
        builder: a function of `hp`, without a model.
        parameters: of the model of given values.
        searched: the trials that the searcher plans for; None is those of `open`.
    """

    def __init__(self, folder, builder=build, parameters=lambda values: 10, searched=None):
        self.folder, self.builder, self.parameters, self.searched = folder, builder, parameters, searched
        self.stores, self.notes = [], Notes()

    def open(self, max_trials=6, sharing=False, max_parameters=None, **limits):
        store = create_store(sqlite_url(self.folder / "optuna.db"), "study", "max", "score")
        self.stores.append(store)
        space = trace_builder(self.builder)
        problem = SearchProblem(space.copy(), "max", "score", self.searched or max_trials, 3, 0)
        self.searcher = TPESearcher(problem)
        trials = store.trials()
        self.searcher.restore([trial for trial in trials if trial.is_built])
        settings = StudySettings(Limits(max_trials, **limits), Objective("score", "max"), max_parameters=max_parameters)
        leases = Leases(store.owner, 60.0) if sharing else None
        context = StudyContext(
            store, space, self.notes, self.folder / "checkpoints", self.folder / "weights", leases=leases
        )
        self.lifecycle = Lifecycle(self.searcher, trials, settings, context)
        return self.lifecycle

    @property
    def store(self):
        return self.stores[-1]

    def trials(self):
        return self.store.trials()

    def build(self, running):
        host = self.lifecycle.host(running)
        hp = LightHyperparameters(host.answer)
        self.builder(hp)
        return host.built(dict(hp.values), self.parameters(hp.values), complete=True)

    def train(self, running, outcome=None):
        """Build and, unless it is a duplicate, end the trial; whether it was trained."""
        if not self.build(running):
            self.lifecycle.ended(running, None)
            return False
        self.lifecycle.host(running).epoch(1, 0.5)
        self.lifecycle.ended(running, outcome or done(running.number))
        return True

    def run_one(self, running):
        if not self.train(running):
            self.train(self.lifecycle.next(0))

    def run(self):
        while (running := self.lifecycle.next(0)) is not None:
            self.train(running)


def done(number):
    return Outcome(TrialState.COMPLETE, score=1 / (1 + number), epochs=3, best_epoch=2, history={"loss": [1.0]})


def failed(reason, **fields):
    return Outcome(TrialState.FAILED, reason=reason, **fields)
