"""A user's own task: found by file or module, with options or without, and refused with what was expected."""

from __future__ import annotations

import sys

import pytest

from truetune.errors import InputError
from truetune.task import Task
from truetune.tasks.definition import TaskSettings
from truetune.tasks.own_task import own_definition


def load_task(spec: str, **options: object) -> Task:
    return own_definition(spec).task(options, TaskSettings())


OWN_TASK = """
import numpy as np
from truetune.data.dataset import Dataset
from truetune.objective import Objective
from truetune.task import Task

def build(hp):
    raise NotImplementedError

def make():
    return Task("mine", build, Dataset(np.zeros((4, 2)), np.arange(4) % 2), Objective("val_accuracy", "max"))

task = make()
number = 3
"""


@pytest.fixture
def own_file(tmp_path, monkeypatch):

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
