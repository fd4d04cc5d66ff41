"""The task follows its data, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from truetune.config.source import read_config
from truetune.data.dataset import Dataset
from truetune.errors import DataError, InputError, ObjectiveError
from truetune.task import Objective, Task
from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING
from truetune.tasks.eeg_emotion.task import heads_of, make_task, resolve_objective
from truetune.tasks.registry import TASKS, load_task

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


@pytest.mark.parametrize(
    ("asked", "heads", "name", "direction"),
    [
        (None, THREE, "val_emotion_accuracy", "max"),
        ("accuracy", THREE, "val_emotion_accuracy", "max"),
        ("uar", THREE, "val_emotion_uar", "max"),
        ("macro_f1", THREE, "val_emotion_macro_f1", "max"),
        ("loss", THREE, "val_loss", "min"),
        ("val_valence_uar", THREE, "val_valence_uar", "max"),
        ("val_emotion_loss", THREE, "val_emotion_loss", "min"),
        (None, {"label": 2}, "val_accuracy", "max"),
        ("uar", {"label": 2}, "val_uar", "max"),
        ("macro_f1", {"label": 2}, "val_macro_f1", "max"),
        ("val_loss", {"label": 2}, "val_loss", "min"),
    ],
)
def test_short_names_of_objectives(asked, heads, name, direction):
    assert resolve_objective(asked, heads, "emotion" if len(heads) > 1 else None) == Objective(name, direction)


@pytest.mark.parametrize(("asked", "heads"), [("f1", THREE), ("val_emotion_accuracy", {"label": 2})])
def test_an_objective_that_is_never_logged_is_refused(asked, heads):
    with pytest.raises(ObjectiveError, match="accuracy, uar, macro_f1, loss"):
        resolve_objective(asked, heads)


def test_heads_follow_the_data():
    assert heads_of(three_heads()) == THREE
    assert heads_of(plain()) == {"label": 3}


def test_no_data_says_what_to_give():
    with pytest.raises(DataError, match=r"--data DIR .* --use-dummy-data"):
        make_task(None)


def test_data_and_dummy_data_together_are_refused(tmp_path):
    with pytest.raises(DataError, match="Give one"):
        make_task(tmp_path, dummy=True)


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
    task = make_task(dummy=True, cache_dir=tmp_path)
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


def test_every_task_has_a_mapping_without_loading_data():
    for entry in TASKS.values():
        assert entry.mapping().scope


def test_an_unknown_task_names_the_known_ones():
    with pytest.raises(InputError, match="eeg-emotion"):
        load_task("eeg-emotoin")


OWN_TASK = """
import numpy as np
from truetune.data.dataset import Dataset
from truetune.task import Objective, Task

def build(hp):
    raise NotImplementedError

def make():
    return Task("mine", build, Dataset(np.zeros((4, 2)), np.arange(4) % 2), Objective("val_accuracy", "max"))

task = make()
number = 3
"""


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    import sys

    path = tmp_path / "own_task_for_the_registry.py"
    path.write_text(OWN_TASK)
    yield path
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("attribute", ["task", "make"])
def test_a_task_of_ones_own(own_file, attribute):
    assert isinstance(load_task(f"{own_file}:{attribute}"), Task)
    assert load_task(f"{own_file}:{attribute}").name == "mine"


def test_a_task_from_a_file_travels_to_a_process_that_cannot_import_it(own_file):
    import subprocess
    import sys

    import cloudpickle

    build = cloudpickle.dumps(load_task(f"{own_file}:task").hypermodel)
    code = "import sys, pickle; print(pickle.load(sys.stdin.buffer).__name__)"
    done = subprocess.run([sys.executable, "-c", code], input=build, capture_output=True, check=False)
    assert done.stdout.strip() == b"build", done.stderr.decode()


def test_what_is_no_task_is_refused(own_file, tmp_path):
    with pytest.raises(InputError, match="it has task"):
        load_task(f"{own_file}:other")
    with pytest.raises(InputError, match="is a int"):
        load_task(f"{own_file}:number")
    with pytest.raises(InputError, match="There is no file"):
        load_task(f"{tmp_path / 'none.py'}:task")
    with pytest.raises(InputError, match="cannot be imported"):
        load_task("no_such_package.module:task")
    broken = tmp_path / "broken_task_file.py"
    broken.write_text("import no_such_package")
    with pytest.raises(InputError, match="no_such_package"):
        load_task(f"{broken}:task")
    clash = tmp_path / "json.py"
    clash.write_text(OWN_TASK)
    with pytest.raises(InputError, match="rename"):
        load_task(f"{clash}:task")
