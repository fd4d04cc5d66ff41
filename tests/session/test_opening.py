"""What a search says about its folds, and what it refuses, before the first trial."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from truetune.data.checks.row_hashes import row_hashes
from truetune.data.dataset import Dataset
from truetune.errors import DataError, StudyError
from truetune.objective import Objective
from truetune.session.opening import opened, run_session
from truetune.session.request import SearchRequest
from truetune.study.events import Observer
from truetune.study.options import SearchOptions
from truetune.task import Task


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1e-1)), "sparse_categorical_crossentropy")
    return model


class Notes(Observer):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


def task_of(data, preprocessing=None):
    return Task("leaks", build, data, Objective("val_loss", "min"), epochs=1, preprocessing=preprocessing)


def prepared(data, folder, **options):
    notes = Notes()
    with opened(SearchRequest(task_of(data), SearchOptions(directory=folder, **options), notes)) as session:
        session.prepare_data()
    return notes.lines


def test_good_data_need_one_line(blobs, tmp_path):
    (line,) = prepared(blobs, tmp_path)
    assert "rows train" in line


def test_a_row_twice_in_development_has_the_number_it_has_in_the_data(blobs, tmp_path):
    parts = np.repeat(["test", "train", "validation"], [48, 64, 48])
    X = blobs.X.copy()
    X[130] = X[70]
    with pytest.raises(DataError, match=r"^1 row of the validation part .*: row 130 \(group 8, class 0\) = row 70 \("):
        prepared(replace(blobs, X=X, groups=blobs.groups, parts=parts), tmp_path)
    assert not list(tmp_path.rglob("seal.json")), "it would stand in the way of the corrected data"


def test_a_row_of_the_test_part_that_is_in_development_is_refused(blobs, tmp_path):
    X = blobs.X.copy()
    X[70] = X[10]
    parts = np.repeat(["test", "train"], [48, 112])
    with pytest.raises(DataError, match=r"^1 row of the test part .*: row 10 \(group 0, class 0\) = row 70 \("):
        prepared(replace(blobs, X=X, parts=parts), tmp_path)
    assert not list(tmp_path.rglob("seal.json"))


def test_a_fold_without_a_class_is_said(tmp_path):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 10)
    labels = np.where(groups == 3, 0, np.arange(100) % 2)
    parts = np.where(groups == 0, "test", "train")
    lines = prepared(
        Dataset(rng.normal(size=(100, 4)), labels, groups, parts=parts), tmp_path, protocol="leave-one-group-out"
    )
    assert lines[1] == "Fold 3 lacks rows of class 1 to validate on."
    (again,) = lines[2:]
    assert again.startswith("The re-evaluation uses new seeds but the same split")


class Remembers:
    """Knows rows that it was not fitted on."""

    def __init__(self, rows):
        self.rows = rows

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X - self.rows.mean(0)


def test_preprocessing_that_holds_sealed_rows_is_refused(blobs, tmp_path):
    parts = np.repeat(["test", "train"], [48, 112])
    task = task_of(replace(blobs, parts=parts), lambda: Remembers(blobs.X[:48]))
    with (
        pytest.raises(DataError, match=r" holds 48 of the 48 sealed rows searched for \(in rows\)"),
        opened(SearchRequest(task, SearchOptions(directory=tmp_path), Notes())) as session,
    ):
        session.prepare_data()
    task = task_of(replace(blobs, parts=parts), lambda: Remembers(np.zeros(4)))
    with opened(SearchRequest(task, SearchOptions(directory=tmp_path), Notes())) as session:
        session.prepare_data()


class ScalesWhatItIsGiven:
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X - X.mean(0)


@pytest.mark.tensorflow
@pytest.mark.parametrize("workers", [0, 1])
def test_preprocessing_that_peeks_ends_a_search_before_the_first_trial(blobs, tmp_path, workers):
    options = SearchOptions(directory=tmp_path, workers=workers, max_trials=1)
    with (
        pytest.raises(DataError, match=r"ScalesWhatItIsGiven returns different values for 3 rows alone"),
        opened(SearchRequest(task_of(blobs, ScalesWhatItIsGiven), options, Notes())) as session,
    ):
        session.search()
    assert not list(tmp_path.rglob("seal.json"))


class Looks:
    """Counts fingerprints, and rows that are hashed."""

    def __init__(self, monkeypatch):
        self.fingerprints = self.rows = 0
        fingerprint = Dataset.fingerprint

        def counted(dataset):
            self.fingerprints += 1
            return fingerprint(dataset)

        def hashes(X):
            self.rows += len(X)
            return row_hashes(X)

        monkeypatch.setattr(Dataset, "fingerprint", counted)
        monkeypatch.setattr("truetune.data.checks.row_hashes.row_hashes", hashes)


@pytest.mark.tensorflow
def test_a_study_that_is_opened_looks_once_at_every_row(blobs, tmp_path, monkeypatch):
    options = SearchOptions(directory=tmp_path, max_trials=1, workers=0, finalists=0)
    request = SearchRequest(task_of(blobs), options, Notes())
    looks = Looks(monkeypatch)
    first = run_session(request)
    assert (looks.fingerprints, looks.rows) == (1, len(blobs))
    looks = Looks(monkeypatch)
    more = run_session(replace(request, options=replace(options, max_trials=2)))
    assert (looks.fingerprints, looks.rows) == (1, len(blobs))
    looks = Looks(monkeypatch)
    again = run_session(replace(request, options=replace(options, max_trials=2)))
    assert (looks.fingerprints, looks.rows) == (1, 0)
    assert [len(result.trials) for result in (first, more, again)] == [1, 2, 2]


def test_data_that_changed_in_place_are_noticed(blobs, tmp_path):
    prepared(blobs, tmp_path)
    blobs.X[0, 0] += 1.0
    with pytest.raises(StudyError, match="The data changed"):
        prepared(blobs, tmp_path)
