"""The life of trials with the real record and the real searcher, without Keras: the test plays the worker."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest

from truetune.errors import BuildError, RepeatedFailure, SpaceError, StudyError
from truetune.search.base import Pause, Resume, SearchProblem
from truetune.search.optuna import TPESearcher
from truetune.space import Hyperparameter, Space
from truetune.study.events import Observer
from truetune.study.lifecycle import MOST_ATTEMPTS, Lifecycle
from truetune.study.store import Store, sqlite_url
from truetune.testing.driver import LightHyperparameters
from truetune.testing.driver import trace as trace_builder
from truetune.training.protocol import Outcome
from truetune.trial import Decision, Schedule, Suggestion, TrialState


def build(hp):
    hp.Int("units", 1, 100)
    if hp.Boolean("deep"):
        hp.Float("rate", 1e-4, 1e-1, sampling="log")


def tiny(hp):
    hp.Choice("act", ["relu", "tanh", "gelu"])


class Notes(Observer):
    def __init__(self):
        self.lines, self.started, self.ended, self.epochs = [], [], [], []

    def note(self, line):
        self.lines.append(line)

    def trial_started(self, trial, worker):
        self.started.append((trial.number, worker))

    def trial_ended(self, trial, worker):
        self.ended.append((trial.number, trial.state))

    def epoch_ended(self, number, epoch, value):
        self.epochs.append((number, epoch, value))


class Lab:
    """One study on disk; `open` is a supervisor that starts."""

    def __init__(self, folder, builder=build):
        self.folder, self.builder, self.stores = folder, builder, []
        self.notes = Notes()

    def open(self, max_trials=6):
        store = Store(sqlite_url(self.folder / "optuna.db"), "study", "max", "score")
        self.stores.append(store)
        space = trace_builder(self.builder)
        problem = SearchProblem(space.copy(), "max", "score", max_trials, 3, 0)
        searcher = TPESearcher(problem)
        searcher.restore(store.trials())
        self.lifecycle = Lifecycle(
            searcher,
            store,
            space,
            max_trials=max_trials,
            seed=0,
            checkpoints=self.folder / "checkpoints",
            observer=self.notes,
        )
        return self.lifecycle

    @property
    def store(self):
        return self.stores[-1]

    def trials(self):
        return self.store.trials()

    def build(self, running):
        hp = LightHyperparameters(lambda hyperparameter: self.lifecycle.answer(running, hyperparameter))
        self.builder(hp)
        return self.lifecycle.built(running, dict(hp.values), 10)

    def train(self, running, outcome=None):
        """Build and, unless it is a duplicate, end the trial; whether it was trained."""
        if not self.build(running):
            self.lifecycle.ended(running, None)
            return False
        self.lifecycle.epoch(running, 1, 0.5)
        self.lifecycle.ended(running, outcome or done(running.number))
        return True

    def run(self):
        while (running := self.lifecycle.next(0)) is not None:
            if not self.lifecycle.give_up(running):
                self.train(running)


def done(number):
    return Outcome(TrialState.COMPLETE, score=1 / (1 + number), epochs=3, best_epoch=2, history={"loss": [1.0]})


def failed(reason, **fields):
    return Outcome(TrialState.FAILED, reason=reason, **fields)


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path)
    yield made
    for store in made.stores:
        store.close()


def test_the_budget_is_exact_and_every_number_is_there_once(lab):
    lab.open(6)
    lab.run()
    assert [t.number for t in lab.trials()] == list(range(6))
    assert all(t.state is TrialState.COMPLETE for t in lab.trials())
    assert not lab.lifecycle.has_more
    assert len({tuple(sorted(t.values.items())) for t in lab.trials()}) == 6


def test_what_happens_is_recorded_and_told(lab):
    lab.open(1)
    lab.run()
    (trial,) = lab.trials()
    assert trial.values == {"units": 1, "deep": False}
    assert trial.reports == {1: 0.5}
    assert (trial.epochs, trial.best_epoch, trial.parameters, trial.score) == (3, 2, 10, 1.0)
    assert trial.seed > 0
    assert lab.notes.started == [(0, 0)]
    assert lab.notes.epochs == [(0, 1, 0.5)]
    assert lab.notes.ended == [(0, TrialState.COMPLETE)]


def test_a_larger_budget_extends_and_nothing_is_repeated(lab):
    lab.open(3)
    lab.run()
    before = lab.trials()
    lab.open(3)
    assert not lab.lifecycle.has_more
    lab.open(6)
    lab.run()
    assert lab.trials()[:3] == before
    assert [t.number for t in lab.trials()] == list(range(6))


def test_duplicates_are_proposed_anew_until_the_space_is_used_up(tmp_path):
    lab = Lab(tmp_path, tiny)
    lab.open(10)
    lab.run()
    assert sorted(t.values["act"] for t in lab.trials()) == ["gelu", "relu", "tanh"]
    assert not lab.lifecycle.has_more
    assert [line for line in lab.notes.lines if "used up after 3 trials" in line]
    lab.store.close()


def test_one_trial_is_built_at_a_time_and_several_train(lab):
    lab.open(4)
    first = lab.lifecycle.next(0)
    assert lab.lifecycle.next(1) is None
    assert lab.build(first)
    second = lab.lifecycle.next(1)
    assert (first.number, second.number) == (0, 1)
    assert lab.build(second)
    lab.lifecycle.ended(second, done(1))
    lab.lifecycle.ended(first, done(0))
    assert [t.number for t in lab.trials()] == [0, 1]


def test_an_interrupted_trial_is_trained_again_with_number_and_values(lab):
    lab.open(4)
    assert lab.train(lab.lifecycle.next(0))
    second = lab.lifecycle.next(0)
    lab.build(second)
    lab.lifecycle.epoch(second, 1, 0.3)
    interrupted = lab.trials()[1]

    lab.open(4)
    again = lab.lifecycle.next(0)
    assert (again.number, again.answers) == (1, interrupted.values)
    assert lab.train(again)
    retried = lab.trials()[1]
    assert retried.values == interrupted.values
    assert (retried.seed, retried.attempt, retried.state) == (interrupted.seed, 1, TrialState.COMPLETE)
    assert retried.reports == {1: 0.5}
    lab.run()
    assert [t.number for t in lab.trials()] == list(range(4))


def test_interrupted_trials_are_retried_although_the_budget_is_smaller_now(lab):
    lab.open(4)
    for _ in range(3):
        lab.build(lab.lifecycle.next(0))
    lab.open(1)
    assert lab.lifecycle.has_more
    lab.run()
    assert [t.state for t in lab.trials()] == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize("reason", ["the worker was ended by SIGKILL", "ValueError: no"])
def test_a_retry_that_dies_before_it_is_built_keeps_its_number(lab, reason):
    lab.open(3)
    lab.build(lab.lifecycle.next(0))
    lab.open(3)
    again = lab.lifecycle.next(0)
    lab.lifecycle.ended(again, failed(reason))
    lab.run()
    assert [(t.number, t.state) for t in lab.trials()] == [
        (0, TrialState.FAILED),
        (1, TrialState.COMPLETE),
        (2, TrialState.COMPLETE),
    ]
    assert lab.trials()[0].reason == reason


def test_a_trial_that_always_kills_its_supervisor_is_given_up(lab):
    lab.open(2)
    lab.build(lab.lifecycle.next(0))
    for attempt in range(1, MOST_ATTEMPTS + 1):
        lab.open(2)
        again = lab.lifecycle.next(0)
        assert not lab.lifecycle.give_up(again)
        lab.build(again)
        assert lab.trials()[0].attempt == attempt
    lab.open(2)
    assert lab.lifecycle.give_up(lab.lifecycle.next(0))
    (trial,) = lab.trials()
    assert trial.state is TrialState.FAILED
    assert trial.reason == f"the search died {MOST_ATTEMPTS + 1} times while this trial ran"
    lab.run()
    assert [t.number for t in lab.trials()] == [0, 1]


def test_a_failed_trial_is_recorded_with_its_reason_and_the_search_goes_on(lab):
    lab.open(3)
    lab.train(lab.lifecycle.next(0), failed("loss became nan in epoch 2", epochs=2))
    lab.run()
    first = lab.trials()[0]
    assert (first.state, first.reason, first.score, first.epochs) == (
        TrialState.FAILED,
        "loss became nan in epoch 2",
        None,
        2,
    )
    assert len(lab.trials()) == 3


def test_a_worker_that_dies_while_it_builds_costs_one_trial(lab):
    lab.open(2)
    running = lab.lifecycle.next(0)
    lab.lifecycle.answer(running, Hyperparameter("Int", "units", 1, low=1, high=100, step=1))
    lab.lifecycle.ended(running, failed("the worker ended with exit code 3"))
    lab.run()
    assert [t.state for t in lab.trials()] == [TrialState.FAILED, TrialState.COMPLETE]
    assert lab.trials()[0].values == {"units": 1}


def test_three_failures_in_a_row_for_one_reason_stop_the_search(lab):
    lab.open(9)
    for number in range(2):
        lab.train(lab.lifecycle.next(0), failed(f"OOM: tensor of shape [{number}, 100]"))
    with pytest.raises(RepeatedFailure, match=r"3 trials in a row .* OOM: tensor of shape \[2, 100\].*same command"):
        lab.train(lab.lifecycle.next(0), failed("OOM: tensor of shape [2, 100]"))
    assert [t.state for t in lab.trials()] == [TrialState.FAILED] * 3
    lab.open(9)
    lab.train(lab.lifecycle.next(0), failed("OOM: tensor of shape [2, 100]"))


def test_other_reasons_or_a_success_in_between_do_not_stop_it(lab):
    lab.open(9)
    for reason in ("a", "a", "b", "a", "a"):
        lab.train(lab.lifecycle.next(0), failed(reason))
    lab.train(lab.lifecycle.next(0))
    for reason in ("a", "a"):
        lab.train(lab.lifecycle.next(0), failed(reason))
    assert len(lab.trials()) == 8


def test_a_builder_that_fails_at_trial_0_stops_at_once_and_records_nothing(lab):
    lab.open(3)
    outcome = failed("ValueError: no", stage="build", traceback="Traceback: mine")
    with pytest.raises(BuildError, match=r"ValueError: no") as caught:
        lab.lifecycle.ended(lab.lifecycle.next(0), outcome)
    assert caught.value.user_traceback == "Traceback: mine"
    assert lab.trials() == []


def test_a_builder_that_fails_later_costs_one_trial(lab):
    lab.open(3)
    lab.train(lab.lifecycle.next(0))
    lab.lifecycle.ended(lab.lifecycle.next(0), failed("ValueError: no", stage="build", traceback="…"))
    lab.run()
    assert [t.state.value for t in lab.trials()] == ["complete", "failed", "complete"]


def test_hyperparameters_found_while_searching_are_kept_for_the_next_run(lab):
    lab.open(2)
    running = lab.lifecycle.next(0)
    new = Hyperparameter("Choice", "pool", "max", choices=("max", "mean"))
    assert lab.lifecycle.answer(running, new) == "max"
    assert Space.from_config(lab.store.meta["discovered"])["pool"] == new


def test_what_fit_asks_for_is_recorded_and_answered_alike_again(lab):
    lab.open(2)
    running = lab.lifecycle.next(0)
    lab.build(running)
    batch = Hyperparameter("Choice", "batch_size", 32, choices=(16, 32))
    assert lab.lifecycle.answer(running, batch) == 32
    assert lab.trials()[0].values["batch_size"] == 32
    lab.open(2)
    again = lab.lifecycle.next(0)
    lab.build(again)
    assert lab.lifecycle.answer(again, batch) == 32
    lab.lifecycle.ended(again, done(0))
    assert lab.trials()[0].values["batch_size"] == 32


BATCH = Hyperparameter("Choice", "batch_size", 16, choices=(16, 32, 64))


def train_with_fit(lab, asks):
    """One trial of a model without hyperparameters whose `fit` asks for those of `asks`."""
    running = lab.lifecycle.next(0)
    if running is None:
        return
    lab.lifecycle.answer(running, Hyperparameter("Fixed", "only", 1, choices=(1,)))
    if not lab.lifecycle.built(running, {"only": 1}, 10, complete=False):
        lab.lifecycle.ended(running, None)
        return
    for hyperparameter in asks:
        lab.lifecycle.answer(running, hyperparameter)
    lab.lifecycle.ended(running, done(running.number))


def test_equal_models_are_different_trials_where_fit_asks_for_different_values(tmp_path):
    lab = Lab(tmp_path, lambda hp: hp.Fixed("only", 1))
    lab.open(9)
    while lab.lifecycle.has_more:
        train_with_fit(lab, [BATCH])
    assert sorted(t.values["batch_size"] for t in lab.trials()) == [16, 32, 64]
    lab.store.close()


def test_equal_models_are_one_trial_where_fit_asks_for_nothing(tmp_path):
    lab = Lab(tmp_path, lambda hp: hp.Fixed("only", 1))
    lab.open(9)
    while lab.lifecycle.has_more:
        train_with_fit(lab, [])
    assert len(lab.trials()) == 1
    lab.store.close()


def test_another_range_under_a_known_name_is_refused_across_trials(lab):
    lab.open(2)
    running = lab.lifecycle.next(0)
    with pytest.raises(SpaceError, match=r"'units' is declared twice"):
        lab.lifecycle.answer(running, Hyperparameter("Int", "units", 1, low=1, high=7, step=1))


def test_optuna_opens_the_study_at_any_time(lab):
    lab.open(3)
    lab.train(lab.lifecycle.next(0))
    lab.build(lab.lifecycle.next(0))
    study = optuna.load_study(study_name="study", storage=lab.store.url)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "RUNNING"]


# Promotions


def promoted(lab, **schedule):
    running = lab.lifecycle.next(0)
    return replace(running, suggestion=Suggestion({}, Schedule(epochs=9, bracket=0, **schedule)))


def test_a_trial_that_may_be_promoted_leaves_a_checkpoint(lab):
    lab.open(2)
    request = lab.lifecycle.request(promoted(lab, round=0))
    assert request.load_from is None
    assert request.keep
    assert request.checkpoint == lab.folder / "checkpoints" / "trial_00000.npz"


def test_a_promotion_goes_on_from_its_parents_checkpoint(lab):
    lab.open(3)
    parent = lab.folder / "checkpoints" / "trial_00000.npz"
    parent.parent.mkdir()
    parent.touch()
    running = promoted(lab, round=1, parent=0, initial_epoch=3)
    request = lab.lifecycle.request(running)
    assert (request.load_from, request.schedule.initial_epoch) == (parent, 3)


def test_a_promotion_whose_checkpoint_is_gone_starts_afresh_and_says_so(lab):
    lab.open(2)
    running = promoted(lab, round=1, parent=0, initial_epoch=3)
    request = lab.lifecycle.request(running)
    assert (request.load_from, request.schedule.initial_epoch, request.schedule.epochs) == (None, 0, 9)
    assert [line for line in lab.notes.lines if "starts afresh: the checkpoint trial_00000.npz is gone" in line]


def test_nothing_to_do_for_now_is_not_the_end(lab, monkeypatch):
    lab.open(2)
    monkeypatch.setattr(lab.lifecycle._searcher, "ask", lambda number, attempt: Pause.WAIT)
    assert lab.lifecycle.next(0) is None
    assert lab.lifecycle.has_more
    monkeypatch.setattr(lab.lifecycle._searcher, "ask", lambda number, attempt: Pause.EXHAUSTED)
    assert lab.lifecycle.next(0) is None
    assert not lab.lifecycle.has_more


# Checkpoints and pauses


def test_the_searcher_hears_again_what_came_before_the_checkpoint(lab, monkeypatch):
    lab.open(2)
    lab.build(lab.lifecycle.next(0))
    heard = []
    lab.open(2)
    running = lab.lifecycle.next(0)
    monkeypatch.setattr(lab.lifecycle._searcher, "report", lambda *report: heard.append(report) or Decision.STOP)
    lab.build(running)
    lab.lifecycle.resumed(running, {1: 0.25, 2: 0.5})
    assert heard == [(0, 1, 0.25), (0, 2, 0.5)]
    assert lab.lifecycle.epoch(running, 3, 0.75) is Decision.STOP
    lab.lifecycle.ended(running, done(0))
    assert running.trial.reports == {1: 0.25, 2: 0.5, 3: 0.75}


def test_a_checkpoint_goes_with_its_trial_unless_it_may_be_promoted(lab):
    lab.open(3)
    path = lab.folder / "checkpoints" / "trial_00000.npz"
    path.parent.mkdir()
    path.touch()
    lab.train(lab.lifecycle.next(0))
    assert not path.exists()
    running = promoted(lab, round=0)
    path = path.with_name("trial_00001.npz")
    path.touch()
    lab.train(running)
    assert path.exists()


def paused(number):
    return Outcome(TrialState.PAUSED, score=0.5, epochs=1, best_epoch=1, history={"loss": [1.0]})


def thaws(lab, monkeypatch, number):
    monkeypatch.setattr(lab.lifecycle._searcher, "ask", lambda trial, attempt: Resume(number))


def test_a_paused_trial_goes_on_when_its_searcher_asks_for_it(lab, monkeypatch):
    lab.open(1)
    lab.train(lab.lifecycle.next(0), paused(0))
    assert (lab.trials()[0].state, lab.trials()[0].score) == (TrialState.PAUSED, None)
    assert lab.lifecycle.has_more
    thaws(lab, monkeypatch, 0)
    running = lab.lifecycle.next(0)
    assert lab.trials()[0].state is TrialState.RUNNING
    assert lab.lifecycle.request(running).thawed_at == 1
    lab.train(running)
    assert lab.trials()[0].state is TrialState.COMPLETE
    assert not lab.lifecycle.has_more


def test_a_thawed_trial_whose_checkpoint_is_lost_is_not_paused_in_the_same_place_again(lab, monkeypatch):
    lab.open(1)
    lab.train(lab.lifecycle.next(0), paused(0))
    thaws(lab, monkeypatch, 0)
    running = lab.lifecycle.next(0)
    lab.build(running)
    monkeypatch.setattr(lab.lifecycle._searcher, "report", lambda *report: Decision.PAUSE)
    decisions = [lab.lifecycle.epoch(running, epoch, 0.5) for epoch in (1, 2)]
    assert decisions == [Decision.GO_ON, Decision.PAUSE]


def test_only_a_paused_trial_can_be_resumed(lab, monkeypatch):
    lab.open(2)
    thaws(lab, monkeypatch, 7)
    with pytest.raises(StudyError, match=r"resume trial 7. Expected one of the paused trials: none"):
        lab.lifecycle.next(0)


def test_pauses_do_not_raise_the_budget(lab):
    """The searcher is asked for `Resume`; what it proposes instead is taken back."""
    lab.open(1)
    lab.train(lab.lifecycle.next(0), paused(0))
    assert lab.lifecycle.next(0) is None
    assert len(lab.trials()) == 1


def test_what_is_paused_at_the_end_counts_as_pruned_with_its_best_score(lab):
    lab.open(1)
    lab.train(lab.lifecycle.next(0), paused(0))
    lab.lifecycle.close_paused()
    trial = lab.trials()[0]
    assert (trial.state, trial.score, trial.epochs) == (TrialState.PRUNED, 0.5, 1)
    assert optuna.load_study(study_name="study", storage=lab.store.url).trials[0].user_attrs["history"] == {
        "loss": [1.0]
    }
    assert not lab.lifecycle.has_more
