"""Trial 0 is today's configuration, in either language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from truetune.config.first_trial import todays_values, trial_zero_values
from truetune.config.mapping import ConfigMapping
from truetune.data.dataset import Dataset
from truetune.errors import ConfigError
from truetune.objective import Objective
from truetune.space import Hyperparameter, Space
from truetune.study.events import Observer
from truetune.study.options import SearchOptions
from truetune.task import Task

RATE = Hyperparameter("Float", "learning_rate", 0.01, low=1e-5, high=0.1, sampling="log")
UNITS = Hyperparameter("Int", "units", 8, low=4, high=64)
SPACE = Space({"learning_rate": RATE, "units": UNITS})

PYTHON = "class Training:\n    LR = 0.001\n\n\nUNITS = 16\n"
YAML = "training:\n  lr: 0.001\nunits: 16\n"
MAPPING = ConfigMapping(keys={"learning_rate": "training.lr"})


class Notes(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def first(path: Path, text: str, mapping: ConfigMapping | None) -> tuple[dict[str, Any], list[str]]:
    """Trial 0 of SPACE by a config file, and what was noted."""
    path.write_text(text)
    task = Task("t", print, Dataset(np.zeros((2, 1)), np.array([0, 1])), Objective("val_loss", "min"), mapping=mapping)
    observer = Notes()
    options = SearchOptions(config=path)
    values = trial_zero_values(SPACE, task, options, observer)
    today = todays_values(task, options)
    assert (
        values.items() >= {name: value for name, value in today.items() if SPACE.entries[name].contains(value)}.items()
    )
    return values, observer.lines


@pytest.mark.parametrize(("name", "text"), [("config.py", PYTHON), ("config.yaml", YAML)])
def test_nested_keys_of_the_mapping_are_found(tmp_path: Path, name: str, text: str) -> None:
    assert first(tmp_path / name, text, MAPPING) == ({"learning_rate": 0.001, "units": 16}, [])


@pytest.mark.parametrize(("name", "text"), [("config.py", PYTHON), ("config.yaml", YAML)])
def test_without_a_mapping_names_are_keys(tmp_path: Path, name: str, text: str) -> None:
    text = text.replace("LR", "LEARNING_RATE").replace("lr", "learning_rate")
    assert first(tmp_path / name, text, None) == ({"learning_rate": 0.001, "units": 16}, [])


@pytest.mark.parametrize(
    ("name", "text"),
    [("config.py", PYTHON.replace("0.001", "5 / 1000")), ("config.yaml", YAML.replace("0.001", "${base.lr}"))],
)
def test_a_mapped_key_that_is_no_plain_value_is_left_to_the_space(tmp_path: Path, name: str, text: str) -> None:
    values, notes = first(tmp_path / name, text, MAPPING)
    assert values == {"units": 16}
    (note,) = notes
    assert note.startswith("Trial 0 takes learning_rate from the space: ")
    assert "line 2" in note


def test_a_number_that_is_text_to_pyyaml_is_used_and_pointed_out(tmp_path: Path) -> None:
    values, notes = first(tmp_path / "config.yaml", YAML.replace("0.001", "1e-3"), MAPPING)
    assert values["learning_rate"] == 0.001
    assert [note.split(", which ")[1] for note in notes] == [
        "is text to PyYAML (YAML 1.1) and 0.001 to YAML 1.2. Write 0.001, or '1e-3' in quotes for text."
    ]


def test_a_number_in_quotes_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    values, notes = first(path, YAML.replace("0.001", "'0.001'").replace("16", "128"), MAPPING)
    assert values == {"learning_rate": 0.01, "units": 64}
    assert notes == [
        f"Trial 0 uses learning_rate = 0.01: today's '0.001' in {path} is text; write a number, without quotes.",
        f"Trial 0 uses units = 64: today's 128 in {path} is outside 4…64.",
    ]


def test_a_typed_key_must_be_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no key training.rate for learning_rate. It has: training, "):
        first(tmp_path / "config.yaml", YAML, ConfigMapping().with_keys({"learning_rate": "training.rate"}))


def test_a_typed_name_that_the_space_does_not_have_is_pointed_out(tmp_path: Path) -> None:
    mapping = ConfigMapping().with_keys({"rate": "training.lr", "learning_rate": ".units"})
    path = tmp_path / "config.yaml"
    path.write_text("training:\n  lr: 0.5\nunits: 0.05\n")
    task = Task("t", print, Dataset(np.zeros((2, 1)), np.array([0, 1])), Objective("val_loss", "min"), mapping=mapping)
    observer = Notes()
    assert trial_zero_values(SPACE, task, SearchOptions(config=path), observer) == {"learning_rate": 0.05}
    assert observer.lines == ["--map rate=training.lr: the space has no rate so far. It has: learning_rate, units."]
