"""A task's options on the command line, as a person uses them; nothing is trained."""

from __future__ import annotations

import sys

import pytest

from support.cli_runs import refused, run
from truetune.cli import main
from truetune.cli.task_options import TaskCommand
from truetune.tasks.registry import TASKS, definition_of

pytestmark = pytest.mark.usefixtures("here", "no_worker", "forget_own_task")

COMMANDS = ("tune", "plan", "train", "verify")

TASK = """
from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import truetune


class Layout(enum.Enum):
    FOLDERS = "folders"
    TABLE = "table"


@dataclass(frozen=True)
class Options:
    data: Path = truetune.option(help="Folder of images.")
    image_size: int = truetune.option(48, help="Pixels on each side.")
    weights: Literal["none", "imagenet"] = truetune.option("none", help="Weights to begin with.")
    layout: Layout = truetune.option(Layout.FOLDERS, help="How the images lie.")
    limit: int | None = truetune.option(None, help="Most images to read.")
    augment: bool = truetune.option(False, help="Turn training images.")
    flip: bool = truetune.option(True, help="Flip training images.")
    more: tuple[Path, ...] = truetune.option((), help="Further folders.")


def make(options: Options) -> truetune.Task:
    raise SystemExit(f"made from {options}")
"""


@pytest.fixture
def own(here):
    (here / "owntask.py").write_text(TASK)
    return ("--task", "owntask.py:make")


def made(*words):
    """What the user's function was called with."""
    result = run(*words)
    assert "made from" in str(result.exception.code), result.output
    return str(result.exception.code)


class TestHelp:
    """`--help`, with a task and without."""

    @pytest.mark.parametrize("command", COMMANDS)
    def test_without_a_task_it_names_how_to_see_a_tasks_options(self, command):
        text = " ".join(run(command, "--help").output.split())
        assert "--epochs" in text
        assert "--sfreq" not in text
        assert f"{command} --task NAME --help` lists them. NAME is eeg-emotion, or FILE.py:ATTRIBUTE" in text

    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("words", [("--task", "eeg-emotion", "--help"), ("--help", "--task=eeg-emotion")])
    def test_with_a_task_its_options_are_a_group_of_their_own(self, command, words):
        result = run(command, *words)
        assert result.exit_code == 0
        _, group = result.output.split("Options of the task eeg-emotion:")
        assert [option.flag for option in definition_of("eeg-emotion").declared] == [
            line.split()[0] for line in group.splitlines() if line.startswith("  --")
        ]

    def test_of_a_users_own_task_with_its_defaults(self, own):
        result = run("tune", *own, "--help")
        _, group = result.output.split("Options of the task owntask.py:make:")
        text = " ".join(group.split())
        for part in (
            "--data PATH Folder of images. [required]",
            "--image-size INTEGER Pixels on each side. [default: 48]",
            "--weights [none|imagenet] Weights to begin with. [default: none]",
            "--layout [folders|table] How the images lie. [default: folders]",
            "--limit INTEGER Most images to read. --augment Turn training images. --flip / --no-flip Flip training "
            "images. [default: True]",
            "--more PATH Further folders.",
        ):
            assert part in text

    def test_of_a_task_without_options(self, here):
        (here / "owntask.py").write_text("def make():\n    raise SystemExit(3)\n")
        result = run("tune", "--task", "owntask.py:make", "--help")
        assert "Options of the task owntask.py:make:\n  None." in result.output

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (("--task", "eeg-motion"), "Did you mean eeg-emotion?"),
            (("--task", "owntask.py:make"), "owntask.py cannot be imported"),
            (("--task", "nowhere.py:make"), "no file nowhere.py"),
        ],
    )
    def test_of_a_task_that_cannot_be_loaded(self, here, words, part):
        (here / "owntask.py").write_text("def make(:\n")
        assert part in refused("tune", *words, "--help")

    def test_it_does_not_look_at_what_was_tuned_before(self, here):
        (here / "models").mkdir()
        (here / "models" / "best_hyperparameters.json").write_text("damaged")
        assert run("train", "--help").exit_code == 0


class TestValues:
    """From words to the fields of the user's dataclass."""

    def test_before_and_after_the_task_and_in_both_spellings(self, own):
        words = ("--image-size", "64", *own, "--data=a folder/é", "--weights=imagenet", "--layout", "table")
        text = made("tune", *words, "--limit", "10", "--augment", "--no-flip", "--more", "b", "--more", "c")
        assert "image_size=64, weights='imagenet', layout=<Layout.TABLE: 'table'>, limit=10, augment=True" in text
        assert "data=PosixPath('a folder/é')" in text
        assert "flip=False, more=(PosixPath('b'), PosixPath('c'))" in text

    def test_the_defaults_are_those_of_the_class(self, own):
        text = made("plan", *own, "--data", "a")
        assert "image_size=48, weights='none', layout=<Layout.FOLDERS: 'folders'>, limit=None, augment=False" in text
        assert "flip=True, more=()" in text

    def test_the_last_task_counts(self, own):
        assert "image_size=7" in made("tune", "--task", "eeg-emotion", "--data", "a", "--image-size", "7", *own)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_what_must_be_given(self, own, here, command, no_tensorflow):
        (here / "src").mkdir()
        (here / "src" / "config.py").write_text("A = 1\n")
        (here / "config.py").write_text("A = 1\n")
        words = ("--dry-run",) if command == "verify" else ()
        assert "--data  Folder of images." in refused(command, *own, *words)

    @pytest.mark.parametrize(
        ("words", "parts"),
        [
            (("--image-size", "big"), ("--image-size", "'big'")),
            (("--weights", "vggface"), ("'vggface'", "imagenet")),
            (("--layout", "FOLDERS"), ("'FOLDERS'", "folders", "table")),
            (("--limit", "1.5"), ("--limit",)),
            (("--image-size",), ("--image-size", "requires an argument")),
            (("--sfreq", "128"), ("no option --sfreq", "owntask.py:make has the options --data, --image-size,")),
            (("--image-siz", "3"), ("no option --image-siz", "Did you mean --image-size")),
            (("--no-augment",), ("no option --no-augment",)),
            (("stray",), ("stray",)),
        ],
    )
    def test_words_that_do_not_fit(self, own, words, parts):
        result = run("tune", *own, "--data", "a", *words)
        assert result.exit_code == 2
        assert result.output.count("Error: ") == 1
        for part in parts:
            assert part in result.output

    @pytest.mark.parametrize("command", COMMANDS)
    def test_an_option_of_another_task(self, here, command):
        (here / "owntask.py").write_text("def make():\n    raise SystemExit(3)\n")
        result = run(command, "--task", "owntask.py:make", "--sfreq", "128")
        assert result.exit_code == 2
        message = (
            "There is no option --sfreq. It belongs to the task eeg-emotion. The task owntask.py:make has no options"
        )
        assert message in result.output


class TestDeclared:
    """What a user's file declares is checked before anything else, on --help too."""

    @pytest.mark.parametrize(
        "name", ["max_trials", "seed", "seeds", "output", "epochs", "dry_run", "require_improvement"]
    )
    def test_an_option_of_the_commands_is_refused_by_all_of_them(self, here, name):
        (here / "owntask.py").write_text(
            "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Mine:\n"
            f"    {name}: int = 3\n\ndef make(options: Mine):\n    raise SystemExit(3)\n"
        )
        for words in (("tune",), ("plan", "--help"), ("verify",)):
            message = refused(*words, "--task", "owntask.py:make")
            assert f"Mine declares the option '{name}', but --{name.replace('_', '-')} is an option of the" in message
            assert "rename the field" in message

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("from __future__ import annotations\ndef make(options: Missing): pass", "'Missing' is not defined"),
            ("def make(folder): pass", "takes folder. Expected a function without arguments, or with one"),
            ("def make(a, b): pass", "takes a, b."),
            ("class O: pass\ndef make(options: O): pass", "takes options."),
            (
                "from dataclasses import dataclass\n@dataclass\nclass O:\n    a: int = 1\ndef make(options: O): pass",
                "not a frozen dataclass",
            ),
        ],
    )
    def test_a_function_that_is_not_understood(self, here, text, part):
        (here / "owntask.py").write_text(text)
        assert part in refused("tune", "--task", "owntask.py:make", "--help")

    @pytest.mark.parametrize(
        "function",
        [
            "def make(options: Mine = Mine()):",
            "def make(options: 'Mine', *more, strict=True):",
            "@functools.lru_cache\ndef make(options: Mine):",
        ],
    )
    def test_functions_that_are_understood(self, here, function):
        (here / "owntask.py").write_text(
            "import functools\nfrom dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Mine:\n"
            f"    size: int = 3\n\n{function}\n    raise SystemExit(f'made from {{options}}')\n"
        )
        assert "size=5" in made("tune", "--task", "owntask.py:make", "--size", "5")

    def test_an_argument_with_a_default_that_is_no_options_is_left_alone(self, here):
        (here / "owntask.py").write_text("def make(n=3):\n    raise SystemExit(f'made from {n}')\n")
        assert made("tune", "--task", "owntask.py:make") == "made from 3"


@pytest.mark.parametrize("name", TASKS)
def test_no_option_of_a_task_is_one_of_the_commands(name):
    from truetune.cli.task_options import check_names

    check_names(definition_of(name))


def test_every_command_that_takes_a_task_and_loads_it_takes_its_options():
    loading = {name for name, command in main.commands.items() if isinstance(command, TaskCommand)}
    assert loading == set(COMMANDS)


def test_the_list_of_tasks():
    result = run("tasks")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    for name, entry in TASKS.items():
        assert any(line.startswith(name) and entry.summary in line for line in lines)
    assert "truetune tune --task NAME --help" in result.output
    assert "own" in run("tasks", "--help").output


def test_a_users_file_is_forgotten_between_tests():
    assert "owntask" not in sys.modules
