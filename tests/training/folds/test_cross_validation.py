"""Several folds of a trial: one start, one score for all validation rows, epochs chosen elsewhere, resumed anywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Protocol
from truetune.objective import Objective
from truetune.training.checkpoints.checkpoint import EndedFold
from truetune.training.messages import Host, Request, TrainingTask
from truetune.trial import Decision, TrialState

pytestmark = pytest.mark.tensorflow

EPOCHS = 3
STEPS = 10
ACCURACY = Objective("val_accuracy", "max")


class Supervisor(Host):
    def __init__(self, stop_at=None, pause_at=None, kill_at=None):
        self.stop_at, self.pause_at, self.kill_at = stop_at, pause_at, kill_at
        self.reports, self.resumed_from = {}, None

    def answer(self, hyperparameter):
        return hyperparameter.default

    def built(self, values, parameters, complete):
        return True

    def resumed(self, reports):
        self.resumed_from = max(reports)
        self.reports.update(reports)

    def epoch(self, epoch, value):
        if epoch == self.kill_at:
            raise KeyboardInterrupt
        self.reports[epoch] = value
        return {self.stop_at: Decision.STOP, self.pause_at: Decision.PAUSE}.get(epoch, Decision.GO_ON)

    def note(self, line):
        raise AssertionError(line)


def build(hp):
    import keras

    from truetune.training.metrics import UnweightedAverageRecall

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.Dropout(0.3)])
    model.add(keras.layers.Dense(3, "softmax"))
    rate = hp.Float("learning_rate", 1e-4, 1.0, default=0.03)
    metrics = ["accuracy", UnweightedAverageRecall(3)]
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=metrics)
    built.append(model)
    return model


built = []


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], [40, 25, 10])
    return Dataset(rng.normal(size=(75, 4)) + y[:, None], y, groups=np.arange(75) % 6)


@pytest.fixture(scope="module")
def folds(data):
    from truetune.training.folds.source import Folds

    return Folds(data, Protocol("k-fold", 3).folds(data, 1))


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch):
    monkeypatch.setattr("truetune.training.checkpoints.times.SECONDS_BETWEEN", 0)


def train(folds, path=None, host=None, hypermodel=build, objective=ACCURACY, epochs=EPOCHS, **request):
    from truetune.training.run_trial import run_trial

    built.clear()
    task = TrainingTask(hypermodel, objective, epochs, None, None)
    request = Request(0, 7, checkpoint=path, steps_per_fold=STEPS, **request)
    return run_trial(task, folds, request, host or Supervisor())


@pytest.fixture(scope="module")
def undisturbed(folds):
    host = Supervisor()
    return train(folds, None, host), host.reports


def test_every_fold_is_reported_at_its_place(undisturbed):
    outcome, reports = undisturbed
    assert sorted(reports) == [fold * STEPS + epoch for fold in range(3) for epoch in (1, 2, 3)]
    assert outcome.epochs == 9
    assert outcome.state is TrialState.COMPLETE


def test_one_model_is_built_for_all_folds(folds):
    train(folds)
    assert len(built) == 1


def variables_of(model):
    return [np.asarray(variable).copy() for variable in [*model.variables, *model.optimizer.variables]]


def test_every_fold_begins_with_the_same_weights(folds, monkeypatch):
    from truetune.training import run_trial as run_trial_module

    fit, begun, ended = run_trial_module.fit_model, [], []

    def watched(hypermodel, hp, model, *args, **kwargs):
        begun.append(variables_of(model))
        history = fit(hypermodel, hp, model, *args, **kwargs)
        ended.append(variables_of(model))
        return history

    monkeypatch.setattr(run_trial_module, "fit_model", watched)
    train(folds)
    assert len(begun) == 3
    for first, fold, after in zip([begun[0]] * 3, begun, ended, strict=True):
        assert len(first) > 10  # those of Adam too
        for value, other in zip(first, fold, strict=True):
            np.testing.assert_array_equal(value, other)
        assert not all(np.array_equal(value, other) for value, other in zip(first, after, strict=True))


def test_the_score_is_that_of_all_validation_rows_together(folds):
    """Predictions of every fold at its scored epoch, kept by a model that trains the same; scikit-learn's metrics."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

    from truetune.training.folds.cross_validation import scored_epochs
    from truetune.training.metrics import UnweightedAverageRecall

    kept = {}

    def keeping(hp):
        import keras

        class Keep(keras.Sequential):
            """Keeps the predictions of every evaluation, which Keras makes once an epoch."""

            def evaluate(self, *args, **kwargs):
                logs = super().evaluate(*args, **kwargs)
                saved = [np.asarray(v).copy() for v in self.metrics_variables]
                rows = folds.parts(len(kept) // EPOCHS).validation
                kept[len(kept)] = (rows.y, np.asarray(self(rows.X, training=False)))
                for variable, value in zip(self.metrics_variables, saved, strict=True):
                    variable.assign(value)
                return logs

        plain = build(hp)
        model = Keep([keras.Input((4,)), *plain.layers])
        metrics = ["accuracy", UnweightedAverageRecall(3)]
        model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", metrics=metrics)
        return model

    outcome = train(folds, hypermodel=keeping)
    ended = []
    for fold in range(3):
        scores = [accuracy_score(y, p.argmax(1)) for y, p in (kept[fold * EPOCHS + e] for e in range(EPOCHS))]
        ended.append(EndedFold(EPOCHS, int(np.argmax(scores)) + 1, {}))
    chosen = [kept[fold * EPOCHS + epoch - 1] for fold, epoch in enumerate(scored_epochs(ended))]
    truth, predicted = (np.concatenate(part) for part in zip(*chosen, strict=True))
    assert outcome.score == pytest.approx(accuracy_score(truth, predicted.argmax(1)))
    assert outcome.metrics["uar"] == pytest.approx(balanced_accuracy_score(truth, predicted.argmax(1)))
    assert outcome.fold_scores == pytest.approx([accuracy_score(y, p.argmax(1)) for y, p in chosen])
    assert outcome.metrics["accuracy"] == pytest.approx(accuracy_score(truth, predicted.argmax(1)))
    assert outcome.metrics["loss"] == pytest.approx(log_loss(truth, predicted), rel=1e-5)
    assert sorted(outcome.fold_metrics) == sorted(outcome.metrics) == ["accuracy", "loss", "uar"]
    expected = {
        "accuracy": [accuracy_score(y, p.argmax(1)) for y, p in chosen],
        "uar": [balanced_accuracy_score(y, p.argmax(1)) for y, p in chosen],
        "loss": [log_loss(y, p, labels=[0, 1, 2]) for y, p in chosen],
    }
    for name, values in expected.items():
        assert outcome.fold_metrics[name] == pytest.approx(values, rel=1e-5)


def test_the_metrics_of_a_fold_are_those_of_keras_own_evaluation(folds):
    """The model is evaluated as it stands after the one epoch of each fold."""
    logged = []

    class Logged(Supervisor):
        def epoch(self, epoch, value):
            logged.append(built[0].evaluate(*_validation(folds, epoch // STEPS), verbose=0, return_dict=True))
            return super().epoch(epoch, value)

    outcome = train(folds, host=Logged(), epochs=1)
    assert len(logged) == 3
    for name, values in outcome.fold_metrics.items():
        assert values == pytest.approx([logs[name] for logs in logged], rel=1e-6)


def _validation(folds, fold):
    rows = folds.parts(fold).validation
    return rows.X, rows.y


@pytest.mark.parametrize(
    ("best", "trained", "expected"),
    [
        ([4, 6, 9], [12, 12, 12], [6, 4, 4]),  # the lower median of the two others
        ([4, 6, 9, 20], [5, 30, 30, 30], [5, 9, 6, 6]),  # no further than the fold was trained
        ([7], [9], [7]),
    ],
)
def test_a_folds_epoch_is_chosen_by_the_other_folds(best, trained, expected):
    from truetune.training.folds.cross_validation import scored_epochs

    assert scored_epochs([EndedFold(n, b, {}) for n, b in zip(trained, best, strict=True)]) == expected


def noise(seed):
    """Six folds of 90 rows whose labels, 30 of each class, have nothing to do with their features."""
    from truetune.training.folds.source import Folds

    rng = np.random.default_rng(seed)
    data = Dataset(rng.normal(size=(90, 4)), rng.permutation(np.repeat([0, 1, 2], 30)), groups=np.arange(90) // 5)
    return Folds(data, Protocol("k-fold", 6).folds(data, seed))


def test_the_own_best_epochs_would_flatter():
    """On labels that are noise the score is about chance, and would not be at the folds' own best epochs."""
    outcomes = [train(noise(seed), epochs=8) for seed in range(3)]
    score, best = (np.mean([getattr(o, name) for o in outcomes]) for name in ("score", "best_score"))
    assert score == pytest.approx(1 / 3, abs=0.08)  # 270 rows: a standard deviation of 0.029
    assert best > score + 0.05


@pytest.mark.parametrize("step", [2, STEPS + 1, STEPS + 3, 2 * STEPS + 1, 2 * STEPS + 3])
def test_killed_in_any_fold_it_ends_as_the_undisturbed_one(folds, undisturbed, tmp_path, step):
    outcome, reports = undisturbed
    path = tmp_path / "run_trial.npz"
    with pytest.raises(KeyboardInterrupt):
        train(folds, path, Supervisor(kill_at=step))
    host = Supervisor()
    again = train(folds, path, host)
    assert replace(again, seconds=0.0) == replace(outcome, seconds=0.0)
    assert host.reports == reports
    assert host.resumed_from is not None


def test_pruned_after_a_fold_it_has_the_score_of_the_folds_so_far(folds):
    outcome = train(folds, host=Supervisor(stop_at=STEPS + 2))
    assert outcome.state is TrialState.PRUNED
    assert len(outcome.fold_scores) == 2
    assert {len(values) for values in outcome.fold_metrics.values()} == {2}
    assert outcome.epochs == EPOCHS + 2


def test_paused_in_the_second_fold_it_goes_on_there(folds, undisturbed, tmp_path):
    path = tmp_path / "run_trial.npz"
    paused = train(folds, path, Supervisor(pause_at=STEPS + 1))
    assert paused.state is TrialState.PAUSED
    host = Supervisor()
    again = train(folds, path, host, thawed_at=STEPS + 1)
    assert replace(again, seconds=0.0) == replace(undisturbed[0], seconds=0.0)
    assert host.reports == undisturbed[1]


def test_a_fit_of_the_users_own_gets_a_new_model_for_each_fold(folds):
    import keras_tuner as kt

    class Own(kt.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, X, y, **kwargs):
            kwargs.pop("callbacks")
            model.fit(X, y, **kwargs)
            predicted = model.predict(kwargs["validation_data"][0], verbose=0).argmax(1)
            return {"val_own": float((predicted == kwargs["validation_data"][1]).mean())}

    outcome = train(folds, hypermodel=Own(), objective=Objective("val_own", "max"))
    assert len(built) == 3
    assert len(outcome.fold_scores) == 3
    sizes = folds.validation_sizes
    assert outcome.score == pytest.approx(np.average(outcome.fold_scores, weights=sizes))
    assert outcome.fold_metrics == outcome.metrics == {}  # what they counted is only known where we evaluate


def test_an_epoch_that_is_asked_for_is_scored(data):
    from truetune.training.folds.source import Folds

    one = Folds(data, Protocol().folds(data, 1))
    host = Supervisor()
    from truetune.training.run_trial import run_trial

    outcome = run_trial(TrainingTask(build, ACCURACY, 4, None, None), one, Request(0, 7, score_epoch=2), host)
    assert outcome.score == host.reports[2]
    assert outcome.best_score == max(host.reports.values())


def test_a_split_of_its_own(data):
    from truetune.training.folds.source import FoldSource

    source = FoldSource(replace(data, groups=None), Protocol(), None, 1)
    ours, other = source.folds(Request(0, 1)), source.folds(Request(0, 1, split_seed=9))
    assert source.folds(Request(3, 4)) is ours
    assert source.folds(Request(3, 4, split_seed=9)) is other
    assert not np.array_equal(ours.parts(0).validation.X, other.parts(0).validation.X)
