"""What holds for config files of every language; and that the suffix decides which one it is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from support.winner import winner
from truetune.config.apply import apply, backups, before_values, current_values, undo
from truetune.config.languages import LANGUAGES, config_text, parse_config, read_text
from truetune.config.mapping import ConfigMapping
from truetune.config.patch import plan_patch
from truetune.config.python.file import PythonFile
from truetune.config.yaml.file import YamlFile
from truetune.errors import ConfigError

MAPPING = ConfigMapping(
    keys={"learning_rate": "training.lr", "filters_{i}": "model.filters", "optimizer": "training.optimizer"},
    counts={"filters_{i}": "blocks"},
)
WINNER = {"learning_rate": 5e-05, "blocks": 2, "filters_0": 64, "filters_1": 96, "optimizer": "sgd", "use_bias": False}


class Contract:
    """Every language's config file; `before` has the keys of MAPPING, `after` is what the winner makes of it."""

    name: ClassVar[str]
    before: ClassVar[str]
    after: ClassVar[str]

    @pytest.fixture(params=["\n", "\r\n"])
    def path(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        path = tmp_path / self.name
        path.write_bytes(self.before.replace("\n", request.param).encode())
        return path

    def test_the_winner_is_written_with_where_it_came_from(self, path: Path) -> None:
        newline = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
        patch = apply(winner(WINNER), path, MAPPING)
        assert patch.missing == {}
        patch.write()
        assert path.read_bytes() == self.after.replace("\n", newline).encode()

    def test_the_diff_has_the_changed_lines_only(self, path: Path) -> None:
        lines = apply(winner(WINNER), path, MAPPING).diff().splitlines()
        changed = {line for line in self.before.splitlines() if line not in self.after.splitlines()}
        assert {line[1:] for line in lines if line.startswith("-") and not line.startswith("---")} == changed

    def test_what_was_applied_is_read_back(self, path: Path) -> None:
        apply(winner(WINNER), path, MAPPING).write()
        read = current_values(path, MAPPING)
        assert {name: (type(read[name]), read[name]) for name in WINNER} == {n: (type(v), v) for n, v in WINNER.items()}
        assert read["epochs"] == 23

    def test_a_second_apply_changes_nothing_and_leaves_no_backup(self, path: Path) -> None:
        apply(winner(WINNER), path, MAPPING).write()
        content = path.read_bytes()
        again = apply(winner(WINNER, trial=18), path, MAPPING)
        assert not again
        assert again.diff() == ""
        assert again.write() is None
        assert path.read_bytes() == content
        assert len(backups(path)) == 1

    def test_another_winner_replaces_the_comments(self, path: Path) -> None:
        apply(winner(WINNER), path, MAPPING).write()
        apply(winner({**WINNER, "learning_rate": 0.25}, trial=18), path, MAPPING).write()
        assert path.read_text().count("truetune: mine_optuna trial 18") == 1
        assert path.read_text().count("truetune:") == self.after.count("truetune:")

    def test_undo_restores_the_bytes(self, path: Path) -> None:
        before = path.read_bytes()
        apply(winner(WINNER), path, MAPPING).write()
        once = path.read_bytes()
        apply(winner({**WINNER, "learning_rate": 0.25}), path, MAPPING).write()
        undo(path)
        assert path.read_bytes() == once
        undo(path)
        assert path.read_bytes() == before
        assert [p.name for p in path.parent.iterdir()] == [self.name]

    def test_undo_refuses_when_the_file_was_edited_since(self, path: Path) -> None:
        apply(winner(WINNER), path, MAPPING).write()
        path.write_bytes(edited := path.read_bytes() + b"# mine\n")
        with pytest.raises(ConfigError, match="changed after the last apply"):
            undo(path)
        assert path.read_bytes() == edited

    def test_values_before_the_last_apply(self, path: Path) -> None:
        before = current_values(path, MAPPING)
        apply(winner(WINNER), path, MAPPING).write()
        assert before_values(path) == before_values(path, MAPPING) == before
        assert before["learning_rate"] == 0.001

    def test_typed_keys_find_the_same_values_before_and_after(self, path: Path) -> None:
        typed = ConfigMapping().with_keys({"rate": "training.lr"})
        applied = {"rate": 0.25, "Blocks": 3}
        patch = apply(winner(applied), path, ConfigMapping.for_names(applied).with_keys({"rate": "training.lr"}))
        patch.write()
        assert before_values(path, typed).items() >= {"rate": 0.001, "Blocks": 1}.items()
        assert current_values(path, typed.with_names(applied)).items() >= applied.items()

    def test_a_key_without_a_place_is_listed(self, path: Path) -> None:
        patch = apply(winner({"blocks": 3, "depth": 2}), path)
        assert [change.key.lower() for change in patch.changes] == ["blocks", "epochs"]
        assert patch.missing == {"DEPTH": 2}

    def test_a_typed_key_that_is_not_there_is_refused_with_those_that_are(self, path: Path) -> None:
        mapping = ConfigMapping.for_names(WINNER).with_keys({"learning_rate": "training.rate"})
        with pytest.raises(ConfigError, match=r"no key training.rate for learning_rate. It has: .*training.lr"):
            apply(winner(WINNER), path, mapping)
        with pytest.raises(ConfigError, match=r"no key training.rate for learning_rate"):
            current_values(path, mapping)

    def test_a_typed_key_for_no_hyperparameter_of_the_winner_is_refused(self, path: Path) -> None:
        mapping = ConfigMapping.for_names(WINNER).with_keys({"rate": "training.lr"})
        with pytest.raises(ConfigError, match=r"for rate, and the winner has no such.* It has: .*learning_rate"):
            apply(winner(WINNER), path, mapping)

    def test_a_wrong_type_is_refused_with_the_line(self, path: Path) -> None:
        with pytest.raises(ConfigError, match=r"use_bias in .* line \d+ .*holds bool, and the new value 0.5 is float"):
            plan_patch(path, {"use_bias": 0.5})

    def test_every_problem_is_listed_at_once(self, path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            plan_patch(path, {"use_bias": 0.5, "training.optimizer": True})
        assert str(caught.value).count("\n") == 1

    def test_a_file_that_changed_after_the_plan_is_not_written(self, path: Path) -> None:
        patch = apply(winner(WINNER), path, MAPPING)
        path.write_bytes(edited := path.read_bytes() + b"# mine\n")
        with pytest.raises(ConfigError, match="changed after the patch was planned"):
            patch.write()
        assert path.read_bytes() == edited

    def test_reading_and_comparing_are_of_one_mind(self, path: Path) -> None:
        file = parse_config(read_text(path))
        assert file.compare(file.reparse(file.text.text), []) == ""
        rate = file.require("training.lr")
        assert rate is not None
        changed = file.replace([(rate, 0.5)], "").text
        assert "0.001" in file.compare(file.reparse(changed), [])  # nobody wanted another
        assert file.compare(file.reparse(changed), [(rate, 0.5)]) == ""
        assert "0.25" in file.compare(file.reparse(changed), [(rate, 0.25)])


class TestPython(Contract):
    name = "config.py"
    before = """# of the paper
class training:
    lr = 0.001  # of Adam
    optimizer: str = 'adam'


model = {"filters": [32, 64], "use_bias": True}  # see the appendix
BLOCKS = 1
EPOCHS = 30
"""
    after = """# of the paper
class training:
    lr = 5e-05  # of Adam  # truetune: mine_optuna trial 17
    optimizer: str = 'sgd'  # truetune: mine_optuna trial 17


model = {"filters": [64, 96], "use_bias": False}  # see the appendix  # truetune: mine_optuna trial 17
BLOCKS = 2  # truetune: mine_optuna trial 17
EPOCHS = 23  # truetune: mine_optuna trial 17
"""


class TestYaml(Contract):
    name = "config.yaml"
    before = """# of the paper
training:
  lr: 0.001  # of Adam
  optimizer: 'adam'

model: {filters: [32, 64], "use_bias": true}  # see the appendix
blocks: 1
epochs: 30
"""
    after = """# of the paper
training:
  lr: 5.0e-05  # of Adam  # truetune: mine_optuna trial 17
  optimizer: 'sgd'  # truetune: mine_optuna trial 17

model: {filters: [64, 96], "use_bias": false}  # see the appendix  # truetune: mine_optuna trial 17
blocks: 2  # truetune: mine_optuna trial 17
epochs: 23  # truetune: mine_optuna trial 17
"""


def test_every_language_has_its_contract() -> None:
    tested = {case.name.rpartition(".")[2] for case in Contract.__subclasses__()}
    parsed = {type(parse_config(config_text(b"", f"x{suffix}"))) for suffix in LANGUAGES}
    assert parsed == {PythonFile, YamlFile}
    assert {f".{suffix}" for suffix in tested} <= set(LANGUAGES)
    assert len(tested) == len(parsed)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("config.py", PythonFile),
        ("config.yaml", YamlFile),
        ("config.yml", YamlFile),
        ("CONFIG.YAML", YamlFile),
        ("settings", PythonFile),
        ("settings.conf", PythonFile),
    ],
)
def test_the_suffix_decides(name: str, kind: type) -> None:
    assert type(parse_config(config_text(b"", name))) is kind


def test_a_backup_is_of_its_files_language(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text("lr: 0.001\n")
    apply(winner({"lr": 0.01}), path).write()
    assert backups(path)[0].path.suffix == ".bak"
    assert before_values(path) == {"lr": 0.001}


@pytest.mark.parametrize("suffix", [".yaml", ".py"])
def test_a_missing_file_and_a_folder(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ConfigError, match="There is no file"):
        read_text(tmp_path / f"absent{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_text(tmp_path / f"folder{suffix}")
