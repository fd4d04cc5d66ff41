"""The task follows its data, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from truetune.config.languages import read_config
from truetune.data.dataset import Dataset
from truetune.errors import DataError
from truetune.tasks.definition import TaskSettings
from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING
from truetune.tasks.eeg_emotion.options import EmotionOptions
from truetune.tasks.eeg_emotion.task import make_task

THREE = {"valence": 2, "arousal": 2, "emotion": 5}
CONFIG = Path(__file__).parents[3] / "src" / "config.py"


def three_heads(n_rows=20, n_features=14):
    rng = np.random.default_rng(0)
    emotion = np.arange(n_rows) % 4  # class 4 does not occur
    y = {"valence": emotion % 2, "arousal": (emotion > 1).astype(int), "emotion": emotion}
    names = ("neutral", "happy", "sad", "relaxed", "focused")
    return Dataset(rng.normal(size=(n_rows, n_features)), y, class_names=names, main_output="emotion")


def plain(n_features=9):
    return Dataset(np.zeros((12, n_features)), np.arange(12) % 3, class_names=("a", "b", "c"))


def test_no_data_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"--data DIR .* --use-dummy-data"):
        make_task(EmotionOptions())


def test_data_and_dummy_data_together_are_refused(tmp_path):
    with pytest.raises(DataError, match="Expected only one of them"):
        make_task(EmotionOptions(tmp_path, use_dummy_data=True))


@pytest.mark.tensorflow
def test_the_builder_follows_the_data():
    from truetune.tasks.eeg_emotion.task import task_for

    task = task_for(three_heads(), objective="uar", epochs=4)
    assert (task.hypermodel.n_features, dict(task.hypermodel.heads)) == (14, THREE)
    assert (task.objective.name, task.epochs, task.study_prefix) == ("val_emotion_uar", 4, "emotion_recognition")
    assert task_for(plain()).hypermodel.n_features == 9
    with pytest.raises(DataError, match="shape"):
        task_for(Dataset(np.zeros((12, 3, 2)), np.arange(12) % 3))


@pytest.mark.tensorflow
def test_dummy_data_are_the_167_features_of_20_subjects(tmp_path):
    task = make_task(EmotionOptions(use_dummy_data=True), TaskSettings(cache_dir=tmp_path))
    data = task.load()
    assert data.is_dummy
    assert (task.hypermodel.n_features, dict(task.hypermodel.heads)) == (167, THREE)
    assert len(np.unique(data.groups)) == 20


@pytest.mark.tensorflow
def test_the_defaults_of_the_builder_are_todays_config():
    from truetune.hyperparameters import HyperParameters, defaults
    from truetune.tasks.eeg_emotion.builder import EmotionBuilder

    hp = HyperParameters(defaults)
    EmotionBuilder(167, THREE)(hp)
    config = EEG_EMOTION_MAPPING.from_config(read_config(CONFIG, EEG_EMOTION_MAPPING.scope))
    assert {name: value for name, value in config.items() if name != "epochs"} == hp.values


def test_the_folder_data_is_taken_where_nothing_else_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert EmotionOptions().data is None
    (tmp_path / "data").mkdir()
    assert EmotionOptions().data == Path("data")
    assert EmotionOptions(use_dummy_data=True).data is None
    assert EmotionOptions(Path("elsewhere")).data == Path("elsewhere")
