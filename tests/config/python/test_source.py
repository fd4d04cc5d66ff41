from __future__ import annotations

from pathlib import Path

import pytest

from truetune.config.base import MODULE, ConfigFile
from truetune.config.languages import config_text, parse_config, read_config
from truetune.errors import ConfigError

SOURCE = '''\
"""Settings."""
import os
from dataclasses import dataclass, field
from typing import Final

os.environ["EPOCHS"] = "1"
LEARNING_RATE: Final[float] = 1e-3
NEGATIVE = -2
NAMES = ("a", 'b')
NOTHING = None
HOST = os.environ.get("HOST", "x")
A = B = 3
C, D = 1, 2
RAW = b"x"
DECLARED: int


class Training:
    EPOCHS: int = 30
    FILTERS: list[int] = [
        64,  # first
        128,
    ]

    class Inner:
        DEEP = "yes" "!"

    def method(self):
        HIDDEN = 3


@dataclass
class Model:
    units: int = 64
    rates: list[float] = field(default_factory=lambda: [0.1, 0.2])
    dropout: float = field(default=0.5)
    name: str = Field("x", description="y")
    required: int


CONFIG = {
    "batch_size": 32,
    "optimizer": {"name": "adam", "momentum": 0.9},
    3: "number",
}
CALL = dict(width=3, **OTHER)
MERGED = {"first": 1, **OTHER, "second": 2}
Training.EPOCHS_LATER = 5
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config.py"
    file.write_text(SOURCE)
    return file


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (MODULE, {"LEARNING_RATE": 1e-3, "NEGATIVE": -2, "NAMES": ("a", "b"), "NOTHING": None,
                  "CONFIG": {"batch_size": 32, "optimizer": {"name": "adam", "momentum": 0.9}, 3: "number"}}),
        ("Training", {"EPOCHS": 30, "FILTERS": [64, 128], "DEEP": "yes!", "EPOCHS_LATER": 5}),
        ("Training.Inner", {"DEEP": "yes!"}),
        ("Model", {"units": 64, "rates": [0.1, 0.2], "dropout": 0.5, "name": "x"}),
        ("CONFIG", {"batch_size": 32, "optimizer": {"name": "adam", "momentum": 0.9}, "name": "adam", "momentum": 0.9}),
        ("CONFIG.optimizer", {"name": "adam", "momentum": 0.9}),
        ("MERGED", {"second": 2}),
    ],
)  # fmt: skip
def test_the_literals_of_a_scope(path: Path, scope: str, expected: dict[str, object]) -> None:
    assert read_config(path, scope) == expected


def test_the_whole_file_without_what_stands_in_several_places(path: Path) -> None:
    values = read_config(path)
    assert values["EPOCHS"] == 30
    assert values["batch_size"] == 32
    assert "name" not in values  # Model.name and CONFIG.optimizer's
    assert values.keys().isdisjoint({"HIDDEN", "A", "C", "RAW", "HOST", "DECLARED"})


def test_nothing_is_imported_or_run(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text("import not_installed_anywhere\nraise SystemExit(3)\nRATE = 0.5\n")
    assert read_config(file) == {"RATE": 0.5}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("HOST", r"line 11 \(module level\), is the expression `os.environ.get\(\"HOST\", \"x\"\)`, not a literal"),
        ("A", "shares its value with another name"),
        ("D", "assigned by unpacking"),
        ("RAW", "is a bytes literal"),
        ("DECLARED", "declared without a value"),
        ("first", r"may be replaced by `\*\*OTHER`"),
        ("width", r"may be replaced by `\*\*OTHER`"),
        ("field", "is imported"),
        ("name", r"name in line \d+ \(Model\), name in line \d+ \(CONFIG.optimizer\).*Choose one with scope="),
        ("ABSENT", "has no ABSENT. Add it"),
    ],
)
def test_a_required_key_that_is_not_one_literal_is_said_with_its_place(path: Path, key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(path, required=[key])


def test_an_unknown_scope_names_the_known_ones(path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no scope 'Nope'. It has: <module>, Training, Training.Inner, Model, CONFIG"
    ):
        read_config(path, "Nope")


def parsed(source: str) -> ConfigFile:
    return parse_config(config_text(source.encode()))


@pytest.mark.parametrize(
    "source",
    [
        "EPOCHS = 1\nEPOCHS = 2\n",
        "if X:\n    EPOCHS = 1\nelse:\n    EPOCHS = 2\n",
        "class A:\n    EPOCHS = 1\nA.EPOCHS = 3\n",
        "CONFIG = {'EPOCHS': 1}\nCONFIG['EPOCHS'] = 2\n",
        "CONFIG = {'EPOCHS': 1, 'EPOCHS': 2}\n",
        "EPOCHS = 1\nEPOCHS += 1\n",
        "class A:\n    EPOCHS = 1\nclass B:\n    EPOCHS = 1\n",
        "epochs = 1\nEpochs = 2\n",
    ],
)
def test_a_key_that_gets_its_value_twice_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match=r"2 times: .*line \d.*line \d"):
        parsed(source).require("EPOCHS")


@pytest.mark.parametrize(
    ("wanted", "source"),
    [
        ("LEARNING_RATE", "learning_rate = 1\n"),
        ("learning_rate", "LEARNING_RATE = 1\n"),
        ("BLOCK_UNITS", "C = {'block/units': 1}\n"),
        ("LR", "LR = 1\nlr = 2\n"),
    ],
)
def test_keys_match_exactly_or_else_in_any_case(wanted: str, source: str) -> None:
    found = parsed(source).require(wanted)
    assert found is not None
    assert found.value == 1


def test_a_scope_comes_before_the_dicts_nested_in_it() -> None:
    source = parsed("C = {'epochs': 1, 'pretrain': {'epochs': 2}}\n")
    assert source.require("EPOCHS", "C").value == 1  # type: ignore[union-attr]
    assert source.require("EPOCHS", "C.pretrain").value == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"A = \n", "line 1 is not valid Python"),
        (b"A = 1\x00\n", "not valid Python"),
        (b"# coding: nonsense\nA = 1\n", "not valid Python"),
        (b"A = '\xe9'\n", "not valid Python"),
        (b"\xef\xbb\xbf# coding: latin-1\nA = 1\n", "not valid Python"),
        (b"return 3\n", "not valid Python"),
        (b"A = 1\rB = 2\r", "CR alone"),
        (b"A = " + b"(" * 5000 + b")" * 5000, "not valid Python"),
    ],
)
def test_files_that_cannot_be_read_are_said(raw: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(config_text(raw))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file"):
        read_config(tmp_path / "none.py")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)
