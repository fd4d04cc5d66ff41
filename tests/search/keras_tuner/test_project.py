"""The project for plain KerasTuner is left for people: what cannot be written now is written with the next trial."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.tensorflow


def twin(number):
    return SimpleNamespace(trial_id=f"{number:04d}", get_state=lambda: {"trial_id": number})


ORACLE = SimpleNamespace(get_state=lambda: {"ongoing": []})


def test_what_could_not_be_written_is_written_later(tmp_path, caplog):
    from truetune.search.keras_tuner.project import Project

    path = tmp_path / "keras_tuner"
    project = Project(path)
    path.write_text("a file where the folder should be")
    project.start(ORACLE, [twin(0)])
    project.save(ORACLE, twin(1))
    assert "Could not update KerasTuner's project" in caplog.text
    path.unlink()
    project.save(ORACLE, twin(2))
    found = sorted(path.rglob("*.json"))
    assert [file.relative_to(path).as_posix() for file in found] == [
        "oracle.json",
        "trial_0000/trial.json",
        "trial_0001/trial.json",
        "trial_0002/trial.json",
        "tuner0.json",
    ]
    assert json.loads(found[2].read_text()) == {"trial_id": 1}
    assert [file for file in path.rglob("*") if file.name.startswith(".")] == []


def test_trials_of_an_earlier_search_are_removed(tmp_path):
    from truetune.search.keras_tuner.project import Project

    Project(tmp_path).start(ORACLE, [twin(0), twin(1)])
    Project(tmp_path).start(ORACLE, [twin(0)])
    assert not (tmp_path / "trial_0001").exists()
