"""Data that cannot be used: what was received, what was expected, what to do; before any worker is started."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from support.cli_runs import Rows, refused

pytestmark = pytest.mark.usefixtures("here", "no_worker")


def tune_refused(here, rows):
    return refused("tune", "--data", rows.save(here / "rows.npz"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(here, value):
    rows = Rows.make()
    rows.X[7, 2] = value
    message = tune_refused(here, rows)
    assert "NaN or infinity in 1 of 48 rows, first in row 7" in message
    assert "Expected finite numbers; drop or repair" in message


def test_lengths_that_differ(here):
    rows = Rows.make()
    message = tune_refused(here, replace(rows, y=rows.y[:-5]))
    assert "43 rows" in message
    assert "48" in message
    assert "Expected one entry per row" in message


def test_labels_outside_the_classes(here):
    rows = Rows.make()
    np.savez(here / "rows.npz", X=rows.X, y=rows.y + 1, class_names=np.array(["left", "right", "rest"]))
    message = refused("tune", "--data", "rows.npz")
    assert "Labels run from 1 to 3" in message
    assert "Expected integers from 0 to 2" in message


@pytest.mark.parametrize("labels", [[0, 1, 7], [-1, 0, 1], [0.5, 1.0, 2.0]])
def test_labels_that_are_no_classes(here, labels):
    rows = Rows.make()
    message = tune_refused(here, replace(rows, y=np.array(labels)[rows.y]))
    assert "Expected" in message


def test_a_class_missing_from_training(here):
    rows = Rows.make()
    message = tune_refused(here, replace(rows, y=rows.subject))
    assert "Training rows hold no sample of class" in message
    assert "They occur in" in message
    assert "add samples of it from more subjects" in message


def test_a_class_missing_from_a_training_part_of_the_user(here):
    rows = Rows.make()
    train = (rows.y < 2) & (np.arange(48) >= 12)
    for name, inside in (("train", train), ("val", ~train)):
        np.save(here / f"X_{name}.npy", rows.X[inside])
        np.save(here / f"y_{name}.npy", rows.y[inside])
    message = refused("tune", "--data", here)
    assert "no sample of class 2" in message


def test_one_class_only(here):
    rows = Rows.make()
    assert "at least two classes" in tune_refused(here, replace(rows, y=np.zeros(48, int)))


@pytest.mark.parametrize("subjects", [1, 2])
def test_too_few_subjects(here, subjects):
    rows = Rows.make()
    message = tune_refused(here, replace(rows, subject=rows.subject % subjects))
    assert "one subject" in message
    assert "Expected at least 3 subjects" in message


@pytest.mark.parametrize("name", ["rows.npz", "X_train.npy", "table.csv", "s01.dat", "night.edf", "labels.mat"])
def test_an_empty_file(here, name):
    (here / name).write_bytes(b"")
    message = refused("tune", "--data", here)
    assert name in message
    assert "Expected" in message


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_file(here, kept):
    path = Rows.make().save(here / "rows.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    message = refused("tune", "--data", path)
    assert "rows.npz cannot be read" in message
    assert "copy or download it again" in message


@pytest.mark.parametrize("shape", [(48,), (48, 2, 3), (0, 6), (48, 0)])
def test_a_wrong_shape(here, shape):
    np.savez(here / "rows.npz", X=np.zeros(shape), y=np.arange(48) % 2)
    message = refused("tune", "--data", "rows.npz")
    assert f"shape {shape}" in message
    assert "Expected (n, n_features)" in message


class Payload:
    """A pickle that would make a file if it were loaded by Python's own loader."""

    def __reduce__(self):
        return open, ("pwned", "w")


@pytest.mark.parametrize("content", [Payload(), {"X": 1}, [1, 2], {"data": np.zeros((2, 3)), "labels": "no"}])
def test_a_pickle_that_is_not_deaps(here, content):
    (here / "s01.dat").write_bytes(pickle.dumps(content))
    message = refused("tune", "--data", here)
    assert "s01.dat" in message
    assert "Expected" in message
    assert not (here / "pwned").exists()


def test_no_data_at_all():
    message = refused("tune")
    assert "No data were given" in message
    assert "--data DIR" in message
    assert "--use-dummy-data" in message


@pytest.mark.parametrize("command", ["tune", "plan", "train"])
def test_a_folder_that_does_not_exist(here, command):
    (here / "src").mkdir()
    (here / "src" / "config.py").write_text("class EEGEmotion:\n    LEARNING_RATE: float = 0.001\n")
    message = refused(command, "--data", "nowhere")
    assert message.startswith("nowhere does not exist")
    assert "check the path" in message


def test_an_empty_folder_lists_the_formats(here):
    (here / "data").mkdir()
    message = refused("tune")
    assert message.startswith("data is an empty folder. Expected one of:")


def test_data_and_dummy_data_together(here):
    path = Rows.make().save(here / "rows.npz")
    assert "Expected only one of them" in refused("tune", "--data", path, "--use-dummy-data")


def test_a_label_that_is_no_column(here):
    (here / "table.csv").write_text("a,b,subject,label\n" + "1,2,x,0\n3,4,y,1\n" * 8)
    message = refused("tune", "--data", here, "--label", "mood")
    assert "'mood'" in message
    assert "its columns are a, b, subject, label" in message
