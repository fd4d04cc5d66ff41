"""Nested evaluation: whole searches inside outer folds, no row seen by the search it measures, resumed where it was."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import optuna
import pytest

import truetune
from truetune.data.splitting.protocols import Protocol
from truetune.errors import SearchStopped, StudyError
from truetune.inspection.planning import make_plan
from truetune.nested import _Clock, cost
from truetune.results.nested_estimate import OuterFold, nested_estimate, read_fold, write_fold
from truetune.seeds import derive_seed
from truetune.study.events import Observer
from truetune.study.options import SearchOptions

SETTINGS = {"protocol": "nested", "folds": 2, "outer_folds": 2, "finalists": 0, "fresh_runs": 2, "workers": 0}


class Notes(Observer):
    def __init__(self):
        self.lines, self.trials = [], 0

    def note(self, line):
        self.lines.append(line)

    def trial_started(self, trial, worker):
        self.lines.append(f"trial {trial.number} starts")

    def trial_ended(self, trial, worker):
        self.trials += 1


def fold(name, score, rows=10):
    return OuterFold(name, {"units": 3}, 4, rows, score, ([np.array(score * rows), np.array(float(rows))],))


def test_a_fold_that_was_measured_is_kept(tmp_path):
    path = tmp_path / "outer" / "1.json"
    write_fold(path, fold("1 of 2", 0.5), "key")
    found = read_fold(path, "key")
    assert (found.name, found.score, found.hyperparameters) == ("1 of 2", 0.5, {"units": 3})
    assert [variable.tolist() for variable in found.states[0]] == [5.0, 10.0]
    assert read_fold(path, "another winner") is None
    assert read_fold(tmp_path / "2.json", "key") is None


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"checksum": "0"}'])
def test_a_damaged_fold_is_said(tmp_path, damage):
    path = tmp_path / "1.json"
    path.write_bytes(damage)
    with pytest.raises(StudyError, match=r"1\.json cannot be read .* Remove the file"):
        read_fold(path, "key")


def test_the_interval_counts_the_folds():
    folds = [fold(str(i), score) for i, score in enumerate([0.5, 0.6, 0.7, 0.6])]
    found = nested_estimate(folds, {"accuracy": 0.61}, "accuracy", 1 / 3)
    half = 3.182446 * np.sqrt(np.var([0.5, 0.6, 0.7, 0.6], ddof=1) * (1 / 4 + 1 / 3))
    assert found.score.mean == 0.61
    assert found.score.high - 0.61 == pytest.approx(half, rel=1e-5)


def test_the_cost_is_said():
    line = cost(SearchOptions(max_trials=30, protocol="nested", folds=4), 5, "subject")
    assert "5 outer folds by subject" in line
    assert "Up to 1311 trainings: 720 of trials, 576 re-trainings of finalists, 15 of the outer folds' winners" in line


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(1)
    y = np.tile([0, 1], 48)
    groups = np.repeat([f"s{i}" for i in range(8)], 12)
    data = truetune.Dataset(rng.normal(size=(96, 3)).astype("float32") + y[:, None], y, groups=groups)
    return truetune.Task("nest", build, data, truetune.Objective("val_accuracy", "max"), epochs=2)


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log", default=0.1)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
    )
    return model


@pytest.fixture(scope="module")
def undisturbed(task, tmp_path_factory):
    directory, notes = tmp_path_factory.mktemp("undisturbed"), Notes()
    return truetune.tune(task, "optuna", 2, directory=directory, observer=notes, **SETTINGS), directory, notes


@pytest.mark.tensorflow
def test_searches_in_outer_folds_and_one_on_all_rows(task, undisturbed):
    result, directory, notes = undisturbed
    assert notes.trials == 3 * 2
    nested = result.nested
    assert len(nested.folds) == 2
    sealed = json.loads((directory / "tuning" / "nest_optuna" / "seal.json").read_text())
    assert sum(f.n_test for f in nested.folds) == 96 - len(sealed["test_rows"])
    rows = [f.n_test for f in nested.folds]
    assert nested.score.mean == pytest.approx(np.average([f.score for f in nested.folds], weights=rows), abs=1e-6)
    assert nested.metrics["accuracy"] == pytest.approx(nested.score.mean)
    exported = json.loads(result.export(directory / "best.json").read_text())["metadata"]["nested"]
    assert exported["score"]["mean"] == pytest.approx(nested.score.mean)

    again = Notes()
    repeated = truetune.tune(task, "optuna", 2, directory=directory, observer=again, **SETTINGS)
    assert again.trials == 0
    assert repeated.nested.score == nested.score


@pytest.mark.tensorflow
def test_the_cost_is_said_before_the_first_training(undisturbed):
    lines = undisturbed[2].lines
    (said,) = [line for line in lines if line.startswith("Nested evaluation")]
    assert said.endswith(
        "Up to 16 trainings: 12 of trials, 0 re-trainings of finalists, 4 of the outer folds' winners."
    )
    assert lines.index(said) < lines.index("trial 0 starts")


class Disturbed(Notes):
    """Does something when the first trial of the second outer fold has ended."""

    def __init__(self, disturb):
        super().__init__()
        self.disturb = disturb

    def trial_ended(self, trial, worker):
        super().trial_ended(trial, worker)
        if self.trials == 3:
            self.disturb()


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.tensorflow
@pytest.mark.parametrize("by", ["Ctrl-C", "the end of the time"])
def test_an_evaluation_that_was_stopped_goes_on_in_its_outer_fold(task, undisturbed, tmp_path, monkeypatch, by):
    now = time.monotonic
    late = Disturbed(lambda: monkeypatch.setattr(time, "monotonic", lambda: now() + 7200.0))
    if by == "Ctrl-C":
        with pytest.raises(KeyboardInterrupt):
            truetune.tune(task, "optuna", 2, directory=tmp_path, observer=Disturbed(interrupt), **SETTINGS)
    else:
        with pytest.raises(SearchStopped, match=r"budget of 1 h 0 min ran out in outer fold 2 of 2.* to continue"):
            truetune.tune(task, "optuna", 2, directory=tmp_path, observer=late, time_budget=3600.0, **SETTINGS)
        monkeypatch.undo()
    first = tmp_path / "tuning" / "nest_optuna" / "outer" / "1.json"
    measured = first.stat().st_mtime_ns
    assert not first.with_name("2.json").exists()

    notes = Notes()
    result = truetune.tune(task, "optuna", 2, directory=tmp_path, observer=notes, **SETTINGS)
    assert notes.trials == 3
    assert (
        "Study 'nest_optuna_outer_1' already has 2 trials; nothing to do. Raise --max-trials to extend it."
        in notes.lines
    )
    assert first.stat().st_mtime_ns == measured
    assert result.nested.score == undisturbed[0].nested.score
    assert result.nested.metrics == undisturbed[0].nested.metrics
    assert result.best_hyperparameters == undisturbed[0].best_hyperparameters


def test_searches_share_the_time_budget():
    left = _Clock(3600.0, time.monotonic() - 600.0).left_for("outer fold 1 of 2")
    assert 2990.0 < left <= 3000.0
    assert _Clock(None).left_for("outer fold 1 of 2") is None
    with pytest.raises(SearchStopped, match=r"budget of 1 h 0 min ran out in the final search"):
        _Clock(3600.0, time.monotonic() - 3601.0).left_for("the final search")


@pytest.mark.tensorflow
def test_leave_one_group_out_outside(task, tmp_path):
    data = task.load()
    few = replace(task, data=data.take(np.flatnonzero(np.isin(data.groups, ["s0", "s1", "s2", "s3", "s4"]))))
    settings = {**SETTINGS, "outer": "leave-one-group-out", "fresh_runs": 1}
    notes = Notes()
    result = truetune.tune(few, "optuna", 1, directory=tmp_path, observer=notes, **settings)
    sealed = json.loads((tmp_path / "tuning" / "nest_optuna" / "seal.json").read_text())["test_rows"]
    tuned = few.load().take(np.setdiff1d(np.arange(60), sealed))
    folds = result.nested.folds
    assert [fold.name for fold in folds] == sorted(set(tuned.groups.tolist()))
    assert all(fold.n_test == 12 for fold in folds)
    assert notes.trials == len(folds) + 1
    assert any(f"{len(folds)} outer folds by subject" in line for line in notes.lines)


@pytest.mark.tensorflow
def test_fresh_archives_the_earlier_evaluation_once_and_nothing_of_its_own(task, tmp_path):
    truetune.tune(task, "optuna", 1, directory=tmp_path, **SETTINGS)
    before = json.loads((tmp_path / "tuning" / "nest_optuna" / "seal.json").read_text())
    data = task.load()
    changed = replace(task, data=data.take(np.arange(84)))  # one subject less
    notes = Notes()
    result = truetune.tune(changed, "optuna", 1, directory=tmp_path, observer=notes, fresh=True, **SETTINGS)
    assert notes.trials == 3
    (archived,) = tmp_path.glob("tuning/nest_optuna_archived_*")
    assert json.loads((archived / "seal.json").read_text()) == before
    assert sorted(path.name for path in (archived / "outer").iterdir()) == ["1", "1.json", "2", "2.json"]
    place = tmp_path / "tuning" / "nest_optuna"
    assert sorted(path.name for path in (place / "outer").iterdir()) == ["1", "1.json", "2", "2.json"]
    sealed = json.loads((place / "seal.json").read_text())
    assert sum(fold.n_test for fold in result.nested.folds) == 84 - len(sealed["test_rows"])
    names = ["nest_optuna", "nest_optuna_outer_1", "nest_optuna_outer_2"]
    found = sorted(summary.study_name for summary in optuna.get_all_study_summaries(result.storage))
    assert [name for name in found if "archived" not in name] == names
    assert len(found) == 6


@pytest.mark.tensorflow
def test_what_an_outer_fold_is_measured_on_is_sealed_for_its_search(task, undisturbed):
    place = undisturbed[1] / "tuning" / "nest_optuna"
    dataset = task.load()
    outside = json.loads((place / "seal.json").read_text())["test_rows"]
    development = dataset.take(np.setdiff1d(np.arange(96), outside))
    folds = Protocol("k-fold", 2).folds(development, derive_seed(0, "outer"))
    for number, outer in enumerate(folds, start=1):
        (inner,) = (place / "outer" / str(number) / "tuning").glob("*/seal.json")
        assert json.loads(inner.read_text())["test_rows"] == outer.validation.tolist()


@pytest.mark.tensorflow
def test_the_plan_counts_the_outer_winners(task, tmp_path):
    settings = {**SETTINGS, "finalists": 1, "workers": 1, "outer": "leave-one-group-out"}
    plan = make_plan(task, SearchOptions(max_trials=2, directory=tmp_path, **settings))
    outer = plan.searches - 1
    assert (plan.trials, plan.finals) == (2, 2 * 2 + 2 * 2)
    assert (plan.winners, plan.winner_epochs) == (2 * outer, 2 * 2 * outer)
    assert 2 < outer < 8
