"""What was said about groups reaches the data, whoever loads them, and is said once only."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from truetune.errors import DataError, InputError
from truetune.tasks.choice import TaskChoice

OWN_TASK = """
import numpy as np
import truetune

def build(hp):
    raise NotImplementedError

def load():
    who = {"participant_id": np.arange(12) // 4, "site": np.arange(12) % 2}
    return truetune.Dataset(np.zeros((12, 2)), np.arange(12) % 2, identities=who)

objective = truetune.Objective("val_accuracy", "max")
lazy = truetune.Task("mine", build, load, objective)
task = truetune.Task("mine", build, load(), objective)
broken = truetune.Task("mine", build, lambda: [1, 2], objective)
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own_task_with_persons.py"
    path.write_text(OWN_TASK)
    yield path
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("name", ["task", "lazy"])
def test_a_users_own_task_is_refused_or_grouped(own, tmp_path, name):
    spec = f"{own}:{name}"
    with pytest.raises(DataError, match="--groups participant_id"):
        TaskChoice(spec).make(tmp_path)
    assert (
        TaskChoice(spec, groups="participant_id").make(tmp_path).load().groups.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    )
    assert TaskChoice(spec, groups="site").make(tmp_path).load().groups.tolist() == [0, 1] * 6
    assert TaskChoice(spec, rows_are_independent=True).make(tmp_path).load().groups is None
    with pytest.raises(DataError, match=r"no 'person' to group them by\. Expected one of: participant_id, site"):
        TaskChoice(spec, groups="person").make(tmp_path)


def test_what_is_no_dataset_is_still_said(own, tmp_path):
    with pytest.raises(InputError, match="is a list"):
        TaskChoice(f"{own}:broken", groups="site").make(tmp_path)


def test_both_are_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(InputError, match="--groups a and --rows-are-independent"):
        TaskChoice(groups="a", rows_are_independent=True).make(tmp_path)


def test_the_eeg_task_takes_groups(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.eye(20), y=np.arange(20) % 5, participants=np.arange(20) // 4)
    with pytest.raises(DataError, match="--groups participants"):
        TaskChoice(options={"data": tmp_path / "a.npz"}).make(tmp_path)
    grouped = TaskChoice(options={"data": tmp_path / "a.npz"}, groups="participants").make(tmp_path).load()
    assert len(set(grouped.groups.tolist())) == 5


def test_dummy_data_take_groups_too(tmp_path):
    data = TaskChoice(options={"use_dummy_data": True}, groups="trial").make(tmp_path).load()
    assert len(np.unique(data.groups)) == len(data)


@pytest.mark.parametrize("said", [{"groups": "session"}, {"rows_are_independent": True}, {}])
def test_the_record_keeps_what_was_said(said):
    choice = TaskChoice("eeg-emotion", **said)
    assert choice.source() == {"task_spec": "eeg-emotion", **said}
    assert TaskChoice.from_source(choice.source()) == choice
    assert TaskChoice().or_else(choice) == choice


def test_what_is_said_now_replaces_what_was_said_about_groups():
    grouped, independent = TaskChoice(groups="session"), TaskChoice(rows_are_independent=True)
    assert grouped.or_else(independent) == grouped
    assert independent.or_else(grouped) == independent


def test_options_are_kept_beside_what_is_said_of_every_task():
    choice = TaskChoice("eeg-emotion", {"data": "signals", "sfreq": 128.0}, epochs=3)
    assert choice.source() == {"task_spec": "eeg-emotion", "epochs": 3, "data": "signals", "sfreq": 128.0}
    assert TaskChoice.from_source(choice.source()) == choice


def test_a_record_of_version_0_1_is_read():
    source = {"task_spec": "eeg-emotion", "use_dummy_data": True, "objective": "uar", "epochs": 2}
    choice = TaskChoice.from_source(source)
    assert (choice.epochs, choice.options) == (2, {"use_dummy_data": True, "objective": "uar"})


def test_the_default_folder_is_recorded_as_if_it_had_been_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert TaskChoice().source() == {"task_spec": "eeg-emotion", "data": "data"}


@pytest.mark.parametrize(
    ("now", "options"),
    [
        ({}, {"data": "signals", "label": "mood"}),
        ({"data": "others"}, {"data": "others", "label": "mood"}),
        ({"use_dummy_data": True}, {"use_dummy_data": True, "label": "mood"}),
    ],
)
def test_what_is_said_now_replaces_what_was_said_about_data(now, options):
    earlier = TaskChoice("eeg-emotion", {"data": "signals", "label": "mood"})
    assert TaskChoice(options=now).or_else(earlier).options == options


def test_another_task_forgets_all_of_it():
    earlier = TaskChoice("eeg-emotion", {"data": "signals"}, epochs=3, groups="session")
    other = TaskChoice("mine.py:task")
    assert other.or_else(earlier) == other
