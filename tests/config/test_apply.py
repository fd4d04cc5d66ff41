from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from support.winner import winner
from truetune.config.apply import apply, backups, before_values, current_values, undo
from truetune.config.mapping import ConfigMapping
from truetune.errors import ConfigError, ExportError
from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING

EEG_CONFIG = Path(__file__).parents[2] / "src" / "config.py"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.py"
    path.write_text("LEARNING_RATE = 0.001\nUNITS = 64\nEPOCHS = 30\n")
    return path


def test_module_constants(config: Path) -> None:
    patch = apply(winner({"learning_rate": 0.01, "units": 128, "use_bias": True}), config)
    assert "+LEARNING_RATE = 0.01  # truetune: mine_optuna trial 17" in patch.diff()
    assert patch.missing == {"USE_BIAS": True}
    assert config.read_text().startswith("LEARNING_RATE = 0.001\n")
    patch.write()
    assert config.read_text() == (
        "LEARNING_RATE = 0.01  # truetune: mine_optuna trial 17\n"
        "UNITS = 128  # truetune: mine_optuna trial 17\n"
        "EPOCHS = 23  # truetune: mine_optuna trial 17\n"
    )


@pytest.mark.parametrize(
    ("source", "scope", "expected"),
    [
        (
            'CONFIG = {"learning_rate": 1e-3, "units": 64}\n',
            None,
            'CONFIG = {"learning_rate": 0.01, "units": 128}  # truetune: mine_optuna trial 17\n',
        ),
        (
            "@dataclass\nclass C:\n    learning_rate: float = 1e-3\n    units: int = field(default=64)\n",
            "C",
            "@dataclass\nclass C:\n    learning_rate: float = 0.01  # truetune: mine_optuna trial 17\n"
            "    units: int = field(default=128)  # truetune: mine_optuna trial 17\n",
        ),
        (
            "C = {'a': {'learning_rate': 1.0, 'units': 1}, 'b': {'learning_rate': 1.0, 'units': 1}}\n",
            "C.b",
            "C = {'a': {'learning_rate': 1.0, 'units': 1}, 'b': {'learning_rate': 0.01, 'units': 128}}"
            "  # truetune: mine_optuna trial 17\n",
        ),
    ],
)
def test_anybodys_own_config(tmp_path: Path, source: str, scope: str | None, expected: str) -> None:
    path = tmp_path / "settings.py"
    path.write_text(source)
    apply(winner({"learning_rate": 0.01, "units": 128}), path, scope=scope).write()
    assert path.read_text() == expected


def test_from_the_json(tmp_path: Path, config: Path) -> None:
    best = winner({"units": 128}).write(tmp_path / "best.json")
    assert [change.key for change in apply(best, config).changes] == ["UNITS", "EPOCHS"]
    best.write_text(json.dumps({"units": 128}))
    with pytest.raises(ExportError, match="does not hold exported hyperparameters"):
        apply(best, config)


def test_a_tuned_number_of_epochs_is_the_one_applied(config: Path) -> None:
    apply(winner({"epochs": 12}, epochs=7), config).write()
    assert "EPOCHS = 12  #" in config.read_text()


def test_numbered_names_without_a_series_have_keys_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text("UNITS_0 = 1\nUNITS_1 = 1\n")
    patch = apply(winner({"units_0": 8, "units_1": 16, "units_2": 32}), path)
    assert [(c.key, c.new) for c in patch.changes] == [("UNITS_0", 8), ("UNITS_1", 16)]
    assert patch.missing == {"UNITS_2": 32}


def test_no_key_at_all_is_an_error(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"none of the keys FILTERS, DEPTH. It has: LEARNING_RATE, UNITS, EPOCHS"):
        apply(winner({"filters": 3, "depth": 2}), config)


def test_a_second_apply_changes_nothing_and_leaves_no_backup(config: Path) -> None:
    apply(winner({"units": 128}), config).write()
    content = config.read_bytes()
    again = apply(winner({"units": 128}), config)
    assert not again
    assert again.diff() == ""
    assert again.write() is None
    assert config.read_bytes() == content
    assert len(backups(config)) == 1


def test_undo_goes_back_one_apply_at_a_time(config: Path) -> None:
    contents = [config.read_bytes()]
    for units in (128, 256, 512):
        apply(winner({"units": units}), config).write()
        contents.append(config.read_bytes())
    for content in reversed(contents[:-1]):
        assert undo(config).suffix == ".bak"
        assert config.read_bytes() == content
    with pytest.raises(ConfigError, match="nothing to undo"):
        undo(config)
    assert [path.name for path in config.parent.iterdir()] == ["config.py"]


def test_undo_refuses_when_the_file_was_edited_since(config: Path) -> None:
    apply(winner({"units": 128}), config).write()
    edited = config.read_bytes() + b"MINE = 1\n"
    config.write_bytes(edited)
    with pytest.raises(ConfigError, match=r"changed after the last apply.*config\.py\..*\.bak"):
        undo(config)
    assert config.read_bytes() == edited


def test_undo_refuses_a_backup_that_was_changed_or_lost_its_record(config: Path) -> None:
    apply(winner({"units": 128}), config).write()
    applied = config.read_bytes()
    backup = backups(config)[0].path
    original = backup.read_bytes()
    backup.write_bytes(b"")
    with pytest.raises(ConfigError, match="was changed since it was made"):
        undo(config)
    backup.write_bytes(original)
    backup.with_name(backup.name + ".json").write_text("{")
    with pytest.raises(ConfigError, match="copy it over"):
        undo(config)
    assert config.read_bytes() == applied


def test_an_apply_killed_before_its_last_step_leaves_nothing_to_undo(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(winner({"units": 128}), config).write()
    applied = config.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("truetune.config.patch.write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            apply(winner({"units": 256}), config).write()
    assert config.read_bytes() == applied
    assert current_values(config, ConfigMapping())["units"] == 128
    assert before_values(config)["units"] == 64
    undo(config)
    assert b"UNITS = 64\n" in config.read_bytes()
    assert [path.name for path in config.parent.iterdir()] == ["config.py"]


def test_backups_stay_in_order_when_the_clock_goes_back(config: Path) -> None:
    apply(winner({"units": 128}), config).write()
    first = backups(config)[0].path
    for path in (first, first.with_name(first.name + ".json")):
        path.rename(path.with_name(path.name.replace(first.name[10:14], "2999")))
    apply(winner({"units": 256}), config).write()
    undo(config)
    assert b"UNITS = 128 " in config.read_bytes()


def test_a_linked_config_has_its_backups_beside_the_real_file(tmp_path: Path, config: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "config.py"
    link.symlink_to(config)
    before = config.read_bytes()
    apply(winner({"units": 128}), link).write()
    assert link.is_symlink()
    assert b"UNITS = 128" in config.read_bytes()
    assert before_values(config) == before_values(link)
    undo(link)
    assert config.read_bytes() == before


def test_values_before_the_last_apply(config: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing was applied"):
        before_values(config)
    apply(winner({"learning_rate": 0.01, "units": 128}), config).write()
    assert before_values(config) == {"learning_rate": 0.001, "units": 64, "epochs": 30}
    apply(winner({"learning_rate": 0.02, "units": 256}, epochs=9), config).write()
    assert before_values(config) == {"learning_rate": 0.01, "units": 128, "epochs": 23}
    undo(config)
    assert before_values(config) == {"learning_rate": 0.001, "units": 64, "epochs": 30}


def test_names_that_are_not_lower_case_find_their_way_back(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text("DENSE_UNITS = 1\nBLOCK_RATE = 0.5\n")
    apply(winner({"Dense_units": 3, "block/rate": 0.25}), path).write()
    assert before_values(path) == {"Dense_units": 1, "block/rate": 0.5}


def test_a_mapped_key_that_is_no_literal_is_said(config: Path) -> None:
    config.write_text("UNITS = int(input())\nDEPTH = 2\n")
    with pytest.raises(ConfigError, match=r"UNITS .*line 1.*not a literal"):
        current_values(config, ConfigMapping.for_names(["units", "depth"]))
    assert current_values(config, ConfigMapping.for_names(["depth", "width"])) == {"depth": 2}


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file"):
        apply(winner({"units": 3}), tmp_path / "none" / "config.py")
    with pytest.raises(ConfigError, match="nothing to undo"):
        undo(tmp_path / "none" / "config.py")


EEG_WINNER = {
    "n_cnn_blocks": 2,
    "cnn_filters_0": 96,
    "cnn_filters_1": 224,
    "kernel_size_0": 5,
    "kernel_size_1": 3,
    "pool_size_0": 2,
    "pool_size_1": 3,
    "cnn_dropout_0": 0.15,
    "cnn_dropout_1": 0.4,
    "l2_reg_0": 0.0002,
    "l2_reg_1": 0.003,
    "use_lstm": False,
    "n_dense_layers": 2,
    "dense_units_0": 448,
    "dense_units_1": 64,
    "dense_dropout_0": 0.25,
    "dense_dropout_1": 0.5,
    "dense_l2_0": 0.0001,
    "dense_l2_1": 0.002,
    "learning_rate": 3e-05,
    "optimizer": "adamw",
    "batch_size": 16,
}


def test_the_projects_own_config_takes_a_winner_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_bytes(EEG_CONFIG.read_bytes())
    before = current_values(path, EEG_EMOTION_MAPPING)
    patch = apply(winner(EEG_WINNER), path, EEG_EMOTION_MAPPING)
    assert patch.missing == {}
    patch.write()
    after = current_values(path, EEG_EMOTION_MAPPING)
    assert {name: after[name] for name in EEG_WINNER} == EEG_WINNER
    assert after["epochs"] == 23
    assert before_values(path) == before_values(path, EEG_EMOTION_MAPPING) == before
    undo(path)
    assert path.read_bytes() == EEG_CONFIG.read_bytes()


def test_the_projects_own_config_is_what_python_sees() -> None:
    spec = importlib.util.spec_from_file_location("config_under_test", EEG_CONFIG)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    seen = {key: value for key, value in vars(module.EEGEmotion).items() if key.isupper()}
    assert EEG_EMOTION_MAPPING.from_config(seen) == current_values(EEG_CONFIG, EEG_EMOTION_MAPPING)
    assert set(seen) == set(EEG_EMOTION_MAPPING.keys.values())
