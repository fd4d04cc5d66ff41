"""Staged trials of several folds, promoted and paused ones: killed anywhere, they end like the undisturbed one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support.recipe_lab import Supervisor, folds_of, images, staged, task, train, variables
from truetune.recipe import Stage, freeze, unfreeze
from truetune.training.folds.source import Folds
from truetune.training.messages import Request
from truetune.trial import Decision, Schedule, TrialState

pytestmark = pytest.mark.tensorflow

STEPS = 20
SHORT = staged(stages=[Stage("head", "head_epochs", freeze("backbone")), Stage("all", 3, unfreeze(), patience=1)])
HEAD_2 = {"head_epochs": 2}


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch):
    monkeypatch.setattr("truetune.training.checkpoints.times.SECONDS_BETWEEN", 0)


@pytest.fixture(scope="module")
def one_fold():
    return folds_of(images(36))


@pytest.fixture(scope="module")
def folds():
    return folds_of(images(36), n_folds=3)


@pytest.fixture(scope="module")
def undisturbed(folds):
    host = Supervisor(HEAD_2)
    outcome = train(SHORT, folds, host=host, steps_per_fold=STEPS)
    return without_seconds(outcome), host, variables()


def without_seconds(outcome):
    return replace(outcome, seconds=0.0)


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


# Several folds


def test_every_fold_goes_through_all_stages_and_is_the_same_training_as_alone(undisturbed):
    outcome, host, _ = undisturbed
    assert [(begun.stage, begun.start) for begun in host.stages] == [(0, 0), (1, 2)] * 3
    assert outcome.state is TrialState.COMPLETE
    assert len(outcome.fold_scores) == 3


def test_a_fold_begins_with_the_weights_of_the_builder(folds, undisturbed):
    """Trained alone, with the seed of that fold, the first fold is the first fold of the trial."""
    alone = train(SHORT, folds_of_first(folds), host=Supervisor(HEAD_2))
    of_first = {step: value for step, value in undisturbed[1].reports.items() if step < STEPS}
    assert alone.history["val_loss"] == list(of_first.values())


def folds_of_first(folds):
    return Folds(folds._development, folds._folds[:1])


def test_killed_in_every_epoch_of_every_stage_of_every_fold_it_ends_as_the_undisturbed_one(
    folds, undisturbed, tmp_path
):
    outcome, whole, end = undisturbed
    for step in whole.reports:
        path = tmp_path / f"{step}.npz"
        with pytest.raises(KeyboardInterrupt):
            train(SHORT, folds, path, Supervisor(HEAD_2, kill_at=step), steps_per_fold=STEPS)
        host = Supervisor(HEAD_2)
        assert without_seconds(train(SHORT, folds, path, host, steps_per_fold=STEPS)) == outcome
        assert host.reports == whole.reports
        assert_same(variables(), end)


@pytest.mark.parametrize("killed_at", [None, STEPS + 1, STEPS + 2, STEPS + 3])
def test_folds_trained_ahead_leave_no_trace_in_a_staged_trial(folds, undisturbed, tmp_path, killed_at):
    from truetune.training.run_trial import train_fold_ahead

    outcome, whole, end = undisturbed
    files = {fold: tmp_path / f"fold_{fold}.npz" for fold in (1, 2)}
    for fold, path in files.items():
        request = Request(4, 99, checkpoint=path, steps_per_fold=STEPS, keep=True)
        host = Supervisor(HEAD_2, kill_at=killed_at)
        try:
            train_fold_ahead(task(SHORT), folds, request, fold, host)
        except KeyboardInterrupt:
            assert fold == 1
    host = Supervisor(HEAD_2, fold_files={fold: path for fold, path in files.items() if path.exists()})
    assert without_seconds(train(SHORT, folds, host=host, steps_per_fold=STEPS)) == outcome
    assert list(host.reports.items()) == list(whole.reports.items())
    assert_same(variables(), end)


# Promotions


def rungs(one_fold, folder, kill=(None, None)):
    """A trial of 2 epochs, promoted to 4, promoted to 8; `kill` is the trial and epoch at which a process dies once."""
    outcomes, parent = [], None
    for number, epochs in enumerate((2, 4, 8)):
        path = folder / f"{number}.npz"
        schedule = Schedule(
            epochs, initial_epoch=0 if parent is None else epochs // 2, parent=number - 1 if number else None
        )
        settings = {"keep": True, "schedule": schedule, "load_from": parent, "seed": 50 + number}
        if kill[0] == number:
            with pytest.raises(KeyboardInterrupt):
                train(staged(), one_fold, path, Supervisor(HEAD_3, kill_at=kill[1]), **settings)
        outcomes.append(without_seconds(train(staged(), one_fold, path, Supervisor(HEAD_3), **settings)))
        parent = path
    return outcomes, variables()


HEAD_3 = {"head_epochs": 3}


def test_promoted_trials_killed_in_every_epoch_end_as_undisturbed(one_fold, tmp_path):
    outcomes, end = rungs(one_fold, tmp_path)
    assert [outcome.epochs for outcome in outcomes] == [2, 4, 8]
    assert [[stage.epochs for stage in outcome.stages] for outcome in outcomes] == [[2], [3, 1], [3, 3, 2]]
    for number, epochs in enumerate([range(1, 3), range(3, 5), range(5, 9)]):
        for epoch in epochs:
            folder = tmp_path / f"{number}_{epoch}"
            again, variables_then = rungs(one_fold, folder, kill=(number, epoch))
            assert again == outcomes
            assert_same(variables_then, end)


def test_a_promotion_from_the_last_epoch_of_a_stage_begins_the_next_one(one_fold, tmp_path):
    settings = {"keep": True, "seed": 3}
    parent = tmp_path / "parent.npz"
    train(staged(), one_fold, parent, Supervisor(HEAD_3), schedule=Schedule(3), **settings)
    host = Supervisor(HEAD_3)
    schedule = Schedule(5, initial_epoch=3, parent=0)
    outcome = train(staged(), one_fold, None, host, schedule=schedule, load_from=parent, **settings)
    assert [(begun.name, begun.start) for begun in host.stages][-1] == ("last block", 3)
    assert list(host.reports) == [4, 5]
    assert [stage.epochs for stage in outcome.stages] == [3, 2]


@pytest.mark.parametrize("epoch", range(1, 8))
def test_paused_in_any_epoch_it_goes_on_as_if_nothing_had_happened(one_fold, tmp_path, epoch):
    whole = without_seconds(train(staged(), one_fold))
    end = variables()
    path = tmp_path / "trial.npz"
    paused = train(staged(), one_fold, path, Supervisor(decisions={epoch: Decision.PAUSE}))
    assert paused.state is TrialState.PAUSED
    thawed = train(staged(), one_fold, path, Supervisor(), thawed_at=epoch)
    assert without_seconds(thawed) == whole
    assert_same(variables(), end)
