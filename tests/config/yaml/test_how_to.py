"""docs/how-to/configs-in-yaml.md: its files and its note are what truetune makes of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.winner import winner
from truetune.cli import main
from truetune.config.apply import apply, undo
from truetune.config.mapping import ConfigMapping, parse_pairs
from truetune.config.values import doubts

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "configs-in-yaml.md").read_text(encoding="utf-8")
BEFORE, AFTER = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(NOTE,) = re.findall(r"^```text\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for line in re.findall(r"^truetune .*", PAGE, re.MULTILINE)]
HYPERPARAMETERS = {"learning_rate": 5e-05, "batch_size": 16, "units_0": 64, "units_1": 48, "dropout": 0.25}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(BEFORE)
    best = winner(HYPERPARAMETERS, trial=12)
    best.model_copy(update={"metadata": best.metadata.model_copy(update={"study_name": "flowers_optuna"})}).write(
        tmp_path / "models" / "best_hyperparameters.json"
    )
    return tmp_path


def test_apply_and_undo_do_what_the_page_shows(here: Path) -> None:
    commands = {words[1]: words[1:] for words in COMMANDS}
    done = CliRunner().invoke(main, [*commands["apply"], "--yes"])
    assert done.exit_code == 0, done.output
    assert Path("config.yaml").read_text() == AFTER
    assert CliRunner().invoke(main, [*commands["apply"], "--yes"]).output.endswith("nothing was changed.\n")
    assert CliRunner().invoke(main, commands["undo"]).exit_code == 0
    assert Path("config.yaml").read_text() == BEFORE


def test_the_mapping_of_the_page_does_the_same(here: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, ConfigMapping] = {}
    exec(code, names)
    apply("models/best_hyperparameters.json", "config.yaml", names["mapping"]).write()
    assert Path("config.yaml").read_text() == AFTER
    undo("config.yaml")


def test_every_command_of_the_page_has_the_same_pairs() -> None:
    pairs = [[words[i + 1] for i, word in enumerate(words) if word == "--map"] for words in COMMANDS]
    assert {str(parse_pairs(given)) for given in pairs if given} == {
        str({"learning_rate": "training.lr", "units_{i}": "model.units"})
    }
    assert [words[1] for words in COMMANDS] == ["tune", "apply", "train", "verify", "undo"]


def test_the_note_is_the_one_of_the_page(here: Path) -> None:
    assert doubts("config.yaml", None) == [NOTE]
