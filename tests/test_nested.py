"""Nested evaluation: whole searches inside outer folds, no row seen by the search it measures, resumed where it was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import optuna
import pytest

import truetune
from truetune.data.protocols import Protocol
from truetune.errors import StudyError
from truetune.nested import cost
from truetune.results.nested import OuterFold, nested_estimate, read_fold, write_fold
from truetune.seeds import derive_seed
from truetune.study.events import Observer
from truetune.study.options import SearchOptions

SETTINGS = {"protocol": "nested", "folds": 2, "outer_folds": 2, "finalists": 0, "fresh_runs": 2, "workers": 0}


class Notes(Observer):
    def __init__(self):
        self.lines, self.trials = [], 0

    def note(self, line):
        self.lines.append(line)

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
    with pytest.raises(StudyError, match=r"1\.json cannot be read .* Remove it"):
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
    assert "6 × 120 = 720 trainings" in line


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


@pytest.mark.tensorflow
def test_searches_in_outer_folds_and_one_on_all_rows(task, tmp_path):
    notes = Notes()
    result = truetune.tune(task, "optuna", 2, directory=tmp_path, observer=notes, **SETTINGS)
    assert notes.trials == 3 * 2
    nested = result.nested
    assert len(nested.folds) == 2
    sealed = json.loads((tmp_path / "tuning" / "nest_optuna" / "seal.json").read_text())
    assert sum(f.n_test for f in nested.folds) == 96 - len(sealed["test_rows"])
    rows = [f.n_test for f in nested.folds]
    assert nested.score.mean == pytest.approx(np.average([f.score for f in nested.folds], weights=rows), abs=1e-6)
    assert nested.metrics["accuracy"] == pytest.approx(nested.score.mean)
    exported = json.loads(result.export(tmp_path / "best.json").read_text())["metadata"]["nested"]
    assert exported["score"]["mean"] == pytest.approx(nested.score.mean)

    again = Notes()
    repeated = truetune.tune(task, "optuna", 2, directory=tmp_path, observer=again, **SETTINGS)
    assert again.trials == 0
    assert repeated.nested.score == nested.score


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
def test_what_an_outer_fold_is_measured_on_is_sealed_for_its_search(task, tmp_path):
    truetune.tune(task, "optuna", 1, directory=tmp_path, **SETTINGS)
    place = tmp_path / "tuning" / "nest_optuna"
    dataset = task.load()
    outside = json.loads((place / "seal.json").read_text())["test_rows"]
    development = dataset.take(np.setdiff1d(np.arange(96), outside))
    folds = Protocol("k-fold", 2).folds(development, derive_seed(0, "outer"))
    for number, outer in enumerate(folds, start=1):
        (inner,) = (place / "outer" / str(number) / "tuning").glob("*/seal.json")
        assert json.loads(inner.read_text())["test_rows"] == outer.validation.tolist()
