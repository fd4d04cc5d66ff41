"""A fold that another worker has trained, in whole or in part, becomes the trial's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Protocol
from truetune.objective import Objective
from truetune.training.messages import Host, Request, TrainingTask
from truetune.trial import Decision, TrialState

pytestmark = pytest.mark.tensorflow

EPOCHS, STEPS, N_FOLDS, AHEAD = 4, 10, 3, 1
ACCURACY = Objective("val_accuracy", "max")


class Supervisor(Host):
    """Answers a trial; says of `ahead` (fold to file) that it is trained."""

    def __init__(self, ahead=None, stop_at=None, pause_at=None, deaf_until=0):
        self.ahead, self.stop_at, self.pause_at, self.deaf_until = ahead or {}, stop_at, pause_at, deaf_until
        self.reports, self.lines, self.begun = {}, [], []

    def answer(self, hyperparameter):
        return hyperparameter.default

    def built(self, values, parameters, complete):
        return True

    def resumed(self, reports):
        self.reports.update(reports)

    def epoch(self, epoch, value):
        self.reports[epoch] = value
        if epoch <= self.deaf_until:
            return Decision.GO_ON
        return {self.stop_at: Decision.STOP, self.pause_at: Decision.PAUSE}.get(epoch, Decision.GO_ON)

    def note(self, line):
        self.lines.append(line)

    def fold_begins(self, fold, n_folds):
        assert n_folds == N_FOLDS
        self.begun.append(fold)
        return self.ahead.get(fold)


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.Dropout(0.3)])
    model.add(keras.layers.Dense(3, "softmax"))
    rate = hp.Float("learning_rate", 1e-4, 1.0, default=0.03)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def folds():
    from truetune.training.folds.source import Folds

    rng = np.random.default_rng(5)
    data = Dataset(rng.normal(size=(90, 4)).astype("float32"), np.tile([0, 1, 2], 30))
    return Folds(data, Protocol("k-fold", N_FOLDS).folds(data, 1))


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch):
    monkeypatch.setattr("truetune.training.checkpoints.times.SECONDS_BETWEEN", 0)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "trial_00000_fold_1.npz"


def train(folds, host, path=None, patience=None, seed=7, **request):
    from truetune.training.run_trial import run_trial

    request = Request(0, seed, checkpoint=path, steps_per_fold=STEPS, **request)
    return run_trial(TrainingTask(build, ACCURACY, EPOCHS, patience, None), folds, request, host)


def train_ahead(folds, file, host=None, patience=None, seed=7, fold=AHEAD, hypermodel=build):
    from truetune.training.run_trial import train_fold_ahead

    request = Request(0, seed, checkpoint=file, steps_per_fold=STEPS, keep=True)
    task = TrainingTask(hypermodel, ACCURACY, EPOCHS, patience, None)
    train_fold_ahead(task, folds, request, fold, host or Supervisor())


@pytest.fixture(scope="module")
def alone(folds):
    """A trial that nobody helped."""
    host = Supervisor()
    return train(folds, host), host.reports


def without_seconds(outcome):
    return replace(outcome, seconds=0.0)


def fits_of(monkeypatch):
    """The folds that are fitted from now on, by the number of their first epoch."""
    from truetune.training import run_trial as run_trial_module

    fitted, fit = [], run_trial_module.fit_model

    def counted(*args, **kwargs):
        fitted.append(kwargs["initial_epoch"])
        return fit(*args, **kwargs)

    monkeypatch.setattr(run_trial_module, "fit_model", counted)
    return fitted


def test_a_fold_trained_ahead_leaves_no_trace_in_the_trial(folds, alone, file, monkeypatch):
    train_ahead(folds, file)
    fitted, host = fits_of(monkeypatch), Supervisor({AHEAD: file})
    outcome = train(folds, host)
    assert fitted == [0, 0]
    assert host.begun == [0, 1, 2]
    assert without_seconds(outcome) == without_seconds(alone[0])
    assert list(host.reports.items()) == list(alone[1].items())
    assert host.lines == []


@pytest.mark.parametrize("patience", [None, 1])
def test_every_fold_but_the_first_may_be_trained_ahead(folds, tmp_path, patience):
    plain, helped = Supervisor(), Supervisor({fold: tmp_path / f"{fold}.npz" for fold in (1, 2)})
    for fold, path in helped.ahead.items():
        train_ahead(folds, path, fold=fold, patience=patience)
    outcomes = [without_seconds(train(folds, host, patience=patience)) for host in (plain, helped)]
    assert outcomes[0] == outcomes[1]
    assert plain.reports == helped.reports


def test_a_helper_that_was_called_off_leaves_what_it_had(folds, alone, file, monkeypatch):
    train_ahead(folds, file, Supervisor(stop_at=STEPS + 2))
    fitted, host = fits_of(monkeypatch), Supervisor({AHEAD: file})
    assert without_seconds(train(folds, host)) == without_seconds(alone[0])
    assert fitted == [0, 2, 0]
    assert host.reports == alone[1]


def test_a_second_helper_goes_on_where_the_first_was_called_off(folds, alone, file, monkeypatch):
    train_ahead(folds, file, Supervisor(stop_at=STEPS + 3))
    fitted = fits_of(monkeypatch)
    train_ahead(folds, file)
    assert fitted == [3]
    assert without_seconds(train(folds, Supervisor({AHEAD: file}))) == without_seconds(alone[0])


@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_a_trial_is_pruned_in_the_middle_of_what_was_trained_ahead(folds, file, epoch):
    train_ahead(folds, file)
    plain, helped = (Supervisor(ahead, stop_at=STEPS + epoch) for ahead in ({}, {AHEAD: file}))
    expected, outcome = train(folds, plain), train(folds, helped)
    assert outcome.state is TrialState.PRUNED
    assert without_seconds(outcome) == without_seconds(expected)
    assert helped.reports == plain.reports
    assert max(helped.reports) == STEPS + epoch


@pytest.mark.parametrize("epoch", range(1, EPOCHS))
def test_a_trial_is_paused_in_the_middle_of_what_was_trained_ahead(folds, alone, file, tmp_path, epoch):
    own, pause_at = tmp_path / "trial_00000.npz", STEPS + epoch
    ahead = {AHEAD: file, 2: tmp_path / "trial_00000_fold_2.npz"}  # so the thawed trial has nothing left to fit
    for fold, path in ahead.items():
        train_ahead(folds, path, fold=fold)
    host = Supervisor(ahead, pause_at=pause_at)
    paused = train(folds, host, own)
    assert (paused.state, max(host.reports)) == (TrialState.PAUSED, pause_at)
    thawed = Supervisor(ahead, pause_at=pause_at, deaf_until=pause_at)
    assert without_seconds(train(folds, thawed, own, thawed_at=pause_at)) == without_seconds(alone[0])
    assert thawed.reports == alone[1]


@pytest.mark.parametrize("other", ["seed", "fold", "damaged"])
def test_a_file_that_is_not_this_folds_is_said_and_left_unused(folds, alone, file, other):
    train_ahead(folds, file, seed=8 if other == "seed" else 7, fold=2 if other == "fold" else AHEAD)
    if other == "damaged":
        file.write_bytes(file.read_bytes()[:-100])
    host = Supervisor({AHEAD: file})
    assert without_seconds(train(folds, host)) == without_seconds(alone[0])
    assert [line for line in host.lines if file.name in line]


def test_killed_after_a_fold_was_taken_in_the_trial_ends_as_the_undisturbed_one(folds, alone, file, tmp_path):
    class Killed(Supervisor):
        def epoch(self, epoch, value):
            if epoch == 2 * STEPS + 2:
                raise KeyboardInterrupt
            return super().epoch(epoch, value)

    own = tmp_path / "trial_00000.npz"
    train_ahead(folds, file)
    with pytest.raises(KeyboardInterrupt):
        train(folds, Killed({AHEAD: file}), own)
    host = Supervisor({AHEAD: file})
    assert without_seconds(train(folds, host, own)) == without_seconds(alone[0])
    assert host.reports == alone[1]


def test_what_the_users_code_raises_is_left_to_the_trials_own_worker(folds, file, capsys):
    def broken(hp):
        raise ValueError("no such layer")

    train_ahead(folds, file, hypermodel=broken)
    assert not file.exists()
    assert "no such layer" in capsys.readouterr().err


def test_a_model_with_a_fit_of_its_own_is_not_trained_ahead(folds, file):
    import keras

    class Own(keras.Sequential):
        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    def build_own(hp):
        model = Own([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    train_ahead(folds, file, hypermodel=build_own)
    assert not file.exists()
    from truetune.training.run_trial import run_trial

    host = Supervisor()
    run_trial(TrainingTask(build_own, ACCURACY, EPOCHS, None, None), folds, Request(0, 7, steps_per_fold=STEPS), host)
    assert host.begun == []
