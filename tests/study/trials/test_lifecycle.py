"""The life of trials with the real record and the real searcher, without Keras: the test plays the worker."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest

from support.lifecycle_lab import done, failed, tiny
from truetune.errors import BuildError, RepeatedFailure, SpaceError
from truetune.search.base import NoSuggestion
from truetune.space import Hyperparameter, Space
from truetune.trial import Schedule, Suggestion, TrialState


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


def test_duplicates_are_proposed_anew_until_the_space_is_used_up(make_lab):
    lab = make_lab(tiny)
    lab.open(10)
    lab.run()
    assert sorted(t.values["act"] for t in lab.trials()) == ["gelu", "relu", "tanh"]
    assert not lab.lifecycle.has_more
    assert [line for line in lab.notes.lines if "exhausted after 3 trials" in line]


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
    lab.lifecycle.host(running).answer(Hyperparameter("Int", "units", 1, low=1, high=100, step=1))
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
    assert lab.lifecycle.host(running).answer(new) == "max"
    assert Space.from_config(lab.store.meta["discovered"])["pool"] == new


def test_what_fit_asks_for_is_recorded_and_answered_alike_again(lab):
    lab.open(2)
    running = lab.lifecycle.next(0)
    lab.build(running)
    batch = Hyperparameter("Choice", "batch_size", 32, choices=(16, 32))
    assert lab.lifecycle.host(running).answer(batch) == 32
    assert lab.trials()[0].values["batch_size"] == 32
    lab.open(2)
    again = lab.lifecycle.next(0)
    lab.build(again)
    assert lab.lifecycle.host(again).answer(batch) == 32
    lab.lifecycle.ended(again, done(0))
    assert lab.trials()[0].values["batch_size"] == 32


BATCH = Hyperparameter("Choice", "batch_size", 16, choices=(16, 32, 64))


def train_with_fit(lab, asks):
    """One trial of a model without hyperparameters whose `fit` asks for those of `asks`."""
    running = lab.lifecycle.next(0)
    if running is None:
        return
    lab.lifecycle.host(running).answer(Hyperparameter("Fixed", "only", 1, choices=(1,)))
    if not lab.lifecycle.host(running).built({"only": 1}, 10, complete=False):
        lab.lifecycle.ended(running, None)
        return
    for hyperparameter in asks:
        lab.lifecycle.host(running).answer(hyperparameter)
    lab.lifecycle.ended(running, done(running.number))


def test_equal_models_are_different_trials_where_fit_asks_for_different_values(make_lab):
    lab = make_lab(lambda hp: hp.Fixed("only", 1))
    lab.open(9)
    while lab.lifecycle.has_more:
        train_with_fit(lab, [BATCH])
    assert sorted(t.values["batch_size"] for t in lab.trials()) == [16, 32, 64]


def test_equal_models_are_one_trial_where_fit_asks_for_nothing(make_lab):
    lab = make_lab(lambda hp: hp.Fixed("only", 1))
    lab.open(9)
    while lab.lifecycle.has_more:
        train_with_fit(lab, [])
    assert len(lab.trials()) == 1


def test_another_range_under_a_known_name_is_refused_across_trials(lab):
    lab.open(2)
    running = lab.lifecycle.next(0)
    with pytest.raises(SpaceError, match=r"'units' is declared twice"):
        lab.lifecycle.host(running).answer(Hyperparameter("Int", "units", 1, low=1, high=7, step=1))


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
    assert [
        line
        for line in lab.notes.lines
        if "restarts from the beginning: its checkpoint trial_00000.npz is missing" in line
    ]


def test_nothing_to_do_for_now_is_not_the_end(lab, monkeypatch):
    lab.open(2)
    monkeypatch.setattr(lab.searcher, "ask", lambda number, attempt: NoSuggestion.WAIT)
    assert lab.lifecycle.next(0) is None
    assert lab.lifecycle.has_more
    monkeypatch.setattr(lab.searcher, "ask", lambda number, attempt: NoSuggestion.EXHAUSTED)
    assert lab.lifecycle.next(0) is None
    assert not lab.lifecycle.has_more
