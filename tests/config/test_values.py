"""Hyperparameters as a config file holds them, by a mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

from truetune.config.base import ConfigFile
from truetune.config.languages import config_text, parse_config
from truetune.config.mapping import ConfigMapping
from truetune.config.values import doubts, doubts_in, unreadable_in, values_in, without
from truetune.errors import ConfigError


def parsed(text: str, name: str = "config.yaml") -> ConfigFile:
    return parse_config(config_text(text.encode(), name))


NESTED = "training:\n  lr: 0.1\n  steps: 5\nmodel:\n  lr: 0.5\n  depth: 2\n"


def test_mapped_keys_are_found_by_their_paths_and_others_by_their_names() -> None:
    mapping = ConfigMapping(keys={"learning_rate": "training.lr"})
    assert values_in(parsed(NESTED), mapping) == {"learning_rate": 0.1, "steps": 5, "depth": 2}


def test_a_key_of_the_mapping_hides_another_with_the_hyperparameters_name() -> None:
    mapping = ConfigMapping(keys={"depth": "training.steps"})
    assert values_in(parsed(NESTED), mapping)["depth"] == 5


def test_a_path_goes_from_the_scope_or_from_the_top() -> None:
    text = "a:\n  b:\n    lr: 0.1\n  lr: 0.2\nb:\n  lr: 0.3\n"
    for scope, key, expected in (("a", "b.lr", 0.1), (None, "b.lr", 0.3), ("a", ".b.lr", 0.3), ("a", "lr", 0.2)):
        assert values_in(parsed(text), ConfigMapping(scope, {"rate": key}))["rate"] == expected


def test_a_scope_that_is_not_there_is_refused() -> None:
    for keys in ({}, {"rate": "lr"}):
        with pytest.raises(ConfigError, match=r"no scope 'Train'. It has: <top>, training, model"):
            values_in(parsed(NESTED), ConfigMapping("Train", keys))


def test_what_cannot_be_read_is_named_and_can_be_left_out() -> None:
    mapping = ConfigMapping(keys={"rate": "lr", "depth": "depth", "width": "width", "size": "model"})
    problems = unreadable_in(parsed(NESTED), mapping)
    assert {name: why.split(":")[0] for name, why in problems.items()} == {
        "rate": "config.yaml gives lr a value 2 times",
        "size": "model in config.yaml, line 4 (top level), is a mapping, not one value. Expected one plain value "
        "(a number, string, bool, or list of these)",
    }
    assert values_in(parsed(NESTED), without(mapping, problems)) == {"depth": 2, "steps": 5}


def test_a_typed_key_is_never_left_out() -> None:
    mapping = ConfigMapping().with_keys({"rate": "lr"})
    assert unreadable_in(parsed(NESTED), mapping) == {}
    with pytest.raises(ConfigError, match="gives lr a value 2 times"):
        values_in(parsed(NESTED), mapping)


def test_doubts_come_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("training:\n  lr: 5e-05\n  sizes: [1, 1e3]\n  amp: yes\n")
    rate = (
        f"lr in {path}, line 2 (training), is `5e-05`, which is text to PyYAML (YAML 1.1) and 5e-05 to YAML 1.2. "
        "Write 5.0e-05, or '5e-05' in quotes for text."
    )
    assert doubts(path, ConfigMapping(keys={"rate": "training.lr", "absent": "absent"})) == [rate]
    found = doubts(path, None)
    assert found[0] == rate
    assert "element in line 3 is `1e3`" in found[1]
    assert "Write 1000.0, or '1e3' in quotes for text." in found[1]
    assert found[2].endswith("Write true, or 'yes' in quotes for text.")
    assert len(found) == 3


def test_python_leaves_no_doubt() -> None:
    assert doubts_in(parsed("LR = 1e-3\n", "config.py"), None) == []
