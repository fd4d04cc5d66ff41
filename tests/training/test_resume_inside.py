"""A trial that was killed goes on from its checkpoint and ends as the undisturbed one did, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Fold
from truetune.objective import Objective
from truetune.training.messages import Host, Request, TrainingTask
from truetune.trial import Decision, Schedule, TrialState

pytestmark = pytest.mark.tensorflow

EPOCHS = 4
LOSS = Objective("val_loss", "min")


class Supervisor(Host):
    """Answers with the defaults. When epoch `kill_at` is reported, an exception that nothing catches ends the trial."""

    def __init__(self, kill_at=None, pause_at=None, stop_at=None):
        self.kill_at, self.pause_at, self.stop_at = kill_at, pause_at, stop_at
        self.reports, self.known, self.notes = {}, None, []

    def answer(self, hyperparameter):
        return hyperparameter.default

    def built(self, values, parameters, complete):
        return True

    def resumed(self, reports):
        self.known = dict(reports)
        self.reports |= reports

    def epoch(self, epoch, value):
        self.reports[epoch] = value
        if epoch == self.kill_at:
            raise KeyboardInterrupt
        if epoch == self.stop_at:
            return Decision.STOP
        return Decision.PAUSE if epoch == self.pause_at else Decision.GO_ON

    def note(self, line):
        self.notes.append(line)


kept = []
"""The models that `build` made."""


def build(hp):
    import keras

    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.4),
            keras.layers.GaussianNoise(0.1),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    rate = hp.Float("learning_rate", 1e-4, 10.0, sampling="log", default=0.05)
    hp.Int("batch_size", 4, 32, default=8)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    kept.append(model)
    return model


@pytest.fixture(scope="module")
def folds():
    from truetune.training.folds.source import Folds

    rng = np.random.default_rng(3)
    y = np.tile([0, 1], 35)
    data = Dataset(rng.normal(size=(70, 4)) + y[:, None], y)
    return Folds(data, [Fold("1 of 1", np.arange(50), np.arange(50, 70), "row")])


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch):
    """These epochs take milliseconds; whether one is written is `test_checkpoint_times`' question."""
    monkeypatch.setattr("truetune.training.checkpoints.times.SECONDS_BETWEEN", 0)


def train(folds, path, host=None, epochs=EPOCHS, patience=None, seed=99, **request):
    from truetune.training.run_trial import run_trial

    kept.clear()
    task = TrainingTask(build, LOSS, epochs, patience, None)
    return run_trial(task, folds, Request(4, seed, checkpoint=path, **request), host or Supervisor())


def killed_at(epoch, folds, path, **more):
    with pytest.raises(KeyboardInterrupt):
        train(folds, path, Supervisor(kill_at=epoch), **more)


def weights():
    """All that a model holds: weights, statistics, states of dropout, optimizer."""
    model = kept[0]
    return [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def without_seconds(outcome):
    return replace(outcome, seconds=0.0)


@pytest.fixture(scope="module")
def undisturbed(folds):
    host = Supervisor()
    outcome = train(folds, None, host)
    return without_seconds(outcome), host.reports, weights()


@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_killed_at_every_epoch_it_ends_as_the_undisturbed_one(folds, undisturbed, tmp_path, epoch):
    outcome, reports, end = undisturbed
    path = tmp_path / "trial.npz"
    killed_at(epoch, folds, path)
    assert path.exists() == (epoch > 1)
    host = Supervisor()
    again = train(folds, path, host)
    assert host.known == ({e: reports[e] for e in range(1, epoch)} if epoch > 1 else None)
    assert host.reports == reports
    assert without_seconds(again) == outcome
    assert_same(weights(), end)
    assert host.notes == []


def test_killed_again_and_again(folds, undisturbed, tmp_path):
    for epoch in range(2, EPOCHS + 1):
        killed_at(epoch, folds, tmp_path / "trial.npz")
    again = train(folds, tmp_path / "trial.npz")
    assert without_seconds(again) == undisturbed[0]
    assert_same(weights(), undisturbed[2])


def test_patience_goes_on_where_it_stood(folds, tmp_path):
    """A rate at which nothing improves for long: the stop must come at the same epoch."""
    settings = {"epochs": 40, "patience": 3}
    whole = train(folds, None, **settings)
    end = weights()
    assert whole.epochs == whole.best_epoch + 3 < 40
    killed_at(whole.epochs - 1, folds, tmp_path / "trial.npz", **settings)
    again = train(folds, tmp_path / "trial.npz", **settings)
    assert without_seconds(again) == without_seconds(whole)
    assert_same(weights(), end)


@pytest.mark.parametrize("ending", [{}, {"stop_at": 3}])
def test_a_trial_killed_after_its_last_epoch_trains_nothing_more(folds, tmp_path, ending):
    path = tmp_path / "trial.npz"
    whole = train(folds, path, Supervisor(**ending), keep=True)
    end = kept[0].get_weights()
    host = Supervisor(kill_at=1)
    again = train(folds, path, host, keep=True)
    assert without_seconds(again) == without_seconds(whole)
    assert again.state is (TrialState.PRUNED if ending else TrialState.COMPLETE)
    assert_same(kept[0].get_weights(), end)
    assert host.known == host.reports


# Damage


@pytest.mark.parametrize("damage", ["truncated", "another trial's"])
def test_without_a_usable_checkpoint_it_trains_from_its_start_and_says_so(folds, undisturbed, tmp_path, damage):
    path = tmp_path / "trial.npz"
    killed_at(3, folds, path, seed=99 if damage == "truncated" else 98)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:600])
    host = Supervisor()
    again = train(folds, path, host)
    assert host.known is None
    assert len(host.notes) == 1
    assert "Trial 4 does without trial.npz, which cannot be used" in host.notes[0]
    assert without_seconds(again) == undisturbed[0]
    assert_same(weights(), undisturbed[2])


def test_a_promotion_of_a_damaged_parent_trains_all_of_its_epochs(folds, tmp_path):
    parent = tmp_path / "parent.npz"
    parent.write_bytes(b"nothing of use")
    host = Supervisor()
    outcome = train(folds, None, host, load_from=parent, schedule=Schedule(epochs=4, initial_epoch=2, parent=0))
    assert sorted(host.reports) == [1, 2, 3, 4]
    assert (outcome.epochs, len(host.notes)) == (4, 1)


def test_a_killed_promotion_goes_on_from_its_own_checkpoint(folds, tmp_path):
    parent, own = tmp_path / "parent.npz", tmp_path / "own.npz"
    train(folds, parent, epochs=1, keep=True)
    settings = {"load_from": parent, "schedule": Schedule(epochs=4, initial_epoch=1, parent=0)}
    whole = train(folds, None, **settings)
    end = weights()
    killed_at(4, folds, own, **settings)
    host = Supervisor()
    again = train(folds, own, host, **settings)
    assert list(host.known) == [2, 3]
    assert sorted(host.reports) == [2, 3, 4]
    assert without_seconds(again) == without_seconds(whole)
    assert len(again.history["loss"]) == 3
    assert_same(weights(), end)


# Pauses


def test_a_paused_trial_goes_on_much_later(folds, undisturbed, tmp_path):
    path = tmp_path / "trial.npz"
    paused = train(folds, path, Supervisor(pause_at=2))
    assert (paused.state, paused.epochs) == (TrialState.PAUSED, 2)
    train(folds, tmp_path / "other.npz", epochs=2)  # something else in between
    again = train(folds, path, thawed_at=2)
    assert without_seconds(again) == undisturbed[0]
    assert_same(weights(), undisturbed[2])


def test_a_trial_killed_before_its_pause_was_recorded_is_paused(folds, tmp_path):
    path = tmp_path / "trial.npz"
    paused = train(folds, path, Supervisor(pause_at=2))
    again = train(folds, path, Supervisor(kill_at=3))
    assert without_seconds(again) == without_seconds(paused)


def test_nothing_is_paused_after_its_last_epoch(folds, tmp_path):
    assert train(folds, tmp_path / "trial.npz", Supervisor(pause_at=EPOCHS)).state is TrialState.COMPLETE


# A fit of the user's own


def test_a_fit_of_the_users_own_starts_from_its_beginning(folds, tmp_path):
    import keras_tuner as kt

    from truetune.training.run_trial import run_trial

    class Own(kt.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, **kwargs)

    task = TrainingTask(Own(), LOSS, 3, None, None)
    request = Request(4, 99, checkpoint=tmp_path / "trial.npz")
    with pytest.raises(KeyboardInterrupt):
        run_trial(task, folds, request, Supervisor(kill_at=3))
    assert not request.checkpoint.exists()
    host = Supervisor(pause_at=2)
    assert run_trial(task, folds, request, host).state is TrialState.COMPLETE
    assert sorted(host.reports) == [1, 2, 3]
