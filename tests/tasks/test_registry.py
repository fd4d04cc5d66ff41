"""The tasks by name, and what each of them keeps to."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from truetune.errors import InputError
from truetune.tasks.chosen import given
from truetune.tasks.registry import DEFAULT_TASK, TASKS, definition_of


def test_an_unknown_task_names_the_known_ones_and_the_closest():
    with pytest.raises(
        InputError, match=r"no task 'eeg-emotoin'\. Did you mean eeg-emotion\? Expected one of: eeg-emotion"
    ):
        definition_of("eeg-emotoin")
    with pytest.raises(InputError, match=r"no task 'x'\. Expected one of"):
        definition_of("x")


def test_the_default_task_is_one_of_them():
    assert DEFAULT_TASK in TASKS


@pytest.mark.parametrize("name", TASKS)
class TestEveryTask:
    """The contract of a task's options."""

    def test_it_has_a_mapping_without_loading_data(self, name):
        assert definition_of(name).find_mapping(None).scope

    def test_its_summary_is_one_line(self, name):
        assert TASKS[name].summary.endswith(".")
        assert len(TASKS[name].summary) < 100

    def test_each_option_has_a_help_text_and_a_default(self, name):
        for option in definition_of(name).declared:
            assert option.help.split("[")[0].rstrip().endswith("."), option
            assert not option.is_required, f"{option.flag}: a command without it explains what is missing, with help"

    def test_options_survive_the_record(self, name):
        definition = definition_of(name)
        values = {option.name: example(option) for option in definition.declared}
        options = definition.choose(values)
        assert definition.choose(json.loads(json.dumps(given(options)))) == options

    def test_an_unknown_option_lists_the_known_ones(self, name):
        flags = ", ".join(option.flag for option in definition_of(name).declared)
        with pytest.raises(InputError, match=f"no option --no-such-thing. Expected one of: {flags}"):
            definition_of(name).choose({"no_such_thing": 1})

    def test_its_options_load_no_heavy_library(self, name):
        code = (
            f"import sys; from truetune.tasks.registry import definition_of; definition_of({name!r}).declared\n"
            "heavy = {'mne', 'pandas', 'scipy', 'sklearn', 'tensorflow', 'keras', 'matplotlib', 'optuna'}\n"
            "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_they_are_frozen(self, name):
        options = definition_of(name).choose({})
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options, dataclasses.fields(options)[0].name, None)


def example(option):
    """A value that is not the default."""
    if option.choices:
        return next(text for text, value in option.choices.items() if value != option.default)
    one = {bool: not option.default, int: 3, float: 2.5, str: "two words", Path: "a folder/é"}[option.kind]
    return [one] if option.is_many else one
