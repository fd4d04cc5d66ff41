from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.config.languages import parse_config, read_text
from truetune.config.mapping import ConfigMapping, parse_pairs
from truetune.config.patch import plan_patch
from truetune.errors import ConfigError, InputError
from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING

EEG_CONFIG = Path(__file__).parents[2] / "src" / "config.py"


def stepped(low: int, high: int, step: int) -> st.SearchStrategy[int]:
    return st.sampled_from(range(low, high + 1, step))


PER_BLOCK: dict[str, st.SearchStrategy[Any]] = {
    "cnn_filters": stepped(32, 256, 32),
    "kernel_size": st.sampled_from([3, 5, 7]),
    "pool_size": st.sampled_from([2, 3]),
    "cnn_dropout": st.floats(0.1, 0.5),
    "l2_reg": st.floats(1e-4, 1e-2),
}
PER_LAYER: dict[str, st.SearchStrategy[Any]] = {
    "dense_units": stepped(64, 512, 64),
    "dense_dropout": st.floats(0.2, 0.7),
    "dense_l2": st.floats(1e-4, 1e-2),
}


@st.composite
def eeg_hyperparameters(draw: Any) -> dict[str, Any]:
    values = {
        "learning_rate": draw(st.floats(1e-5, 1e-2)),
        "optimizer": draw(st.sampled_from(["adam", "adamw", "rmsprop"])),
        "batch_size": draw(st.sampled_from([16, 32, 64])),
        "n_cnn_blocks": draw(st.integers(2, 4)),
        "use_lstm": draw(st.booleans()),
        "n_dense_layers": draw(st.integers(1, 3)),
    }
    if draw(st.booleans()):
        values["epochs"] = draw(st.integers(1, 100))
    for i in range(values["n_cnn_blocks"]):
        values |= {f"{name}_{i}": draw(value) for name, value in PER_BLOCK.items()}
    if values["use_lstm"]:
        values["lstm_units"] = draw(stepped(64, 256, 32))
        values |= {name: draw(st.floats(0, 0.5)) for name in ("lstm_dropout", "lstm_recurrent_dropout")}
    for i in range(values["n_dense_layers"]):
        values |= {f"{name}_{i}": draw(value) for name, value in PER_LAYER.items()}
    return values


@settings(deadline=None)
@given(eeg_hyperparameters())
def test_there_and_back_is_identity(values: dict[str, Any]) -> None:
    config = EEG_EMOTION_MAPPING.to_config(values)
    assert EEG_EMOTION_MAPPING.from_config(config) == values
    assert EEG_EMOTION_MAPPING.to_config(EEG_EMOTION_MAPPING.from_config(config)) == config


@settings(max_examples=20, deadline=None)
@given(eeg_hyperparameters())
def test_the_projects_own_config_holds_any_winner(values: dict[str, Any]) -> None:
    patch = plan_patch(
        read_text(EEG_CONFIG), EEG_EMOTION_MAPPING.to_config(values), EEG_EMOTION_MAPPING.scope, "study trial 1"
    )
    assert patch.missing == {}
    read = EEG_EMOTION_MAPPING.from_config(parse_config(patch.after).literals(EEG_EMOTION_MAPPING.scope))
    assert {name: (type(read[name]), read[name]) for name in values} == {n: (type(v), v) for n, v in values.items()}


SERIES = ConfigMapping(keys={"units_{i}": "UNITS", "lr": "LEARNING_RATE"}, counts={"units_{i}": "depth"})


def test_a_series_is_read_up_to_its_count() -> None:
    config = {"UNITS": [8, 16, 32], "DEPTH": 2, "learning_rate": 0.1, "NAMES": ["a"], "NOTHING": None}
    assert SERIES.from_config(config) == {"units_0": 8, "units_1": 16, "depth": 2, "lr": 0.1}
    assert SERIES.from_config({"UNITS": (8, 16)}) == {"units_0": 8, "units_1": 16}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"UNITS": [8], "DEPTH": 2}, "UNITS has 1 elements where depth is 2"),
        ({"UNITS": 8, "DEPTH": 2}, "Expected a list"),
        ({"UNITS": [8], "DEPTH": "two"}, "Expected how many"),
    ],
)
def test_lists_that_do_not_fit_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SERIES.from_config(config)


def test_gaps_and_shared_keys_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"numbers \[0, 2\]"):
        SERIES.to_config({"units_0": 1, "units_2": 3})
    with pytest.raises(ConfigError, match="units and Units both map to UNITS"):
        ConfigMapping().to_config({"units": 1, "Units": 2})


def test_a_name_that_is_listed_itself_is_no_part_of_a_series() -> None:
    mapping = ConfigMapping(keys={"units_{i}": "UNITS", "units_0": "FIRST"})
    assert mapping.to_config({"units_0": 3}) == {"FIRST": 3}


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[A-Za-z][\w/]{0,8}", fullmatch=True), unique_by=str.casefold, max_size=6))
def test_the_default_mapping_of_known_names_is_two_way(names: list[str]) -> None:
    mapping = ConfigMapping.for_names(names)
    values: dict[str, Any] = {name: i for i, name in enumerate(names)}
    try:
        config = mapping.to_config(values)
    except ConfigError:  # `a/b` and `a_b` share A_B
        return
    assert mapping.from_config(config) == values


def test_typed_keys_take_the_place_of_those_of_the_mapping() -> None:
    mapping = ConfigMapping("Train", {"rate": "LR", "units_{i}": "UNITS"}, {"units_{i}": "layers"})
    typed = mapping.with_keys({"rate": "training.lr", "size": "data.batch"})
    assert typed == ConfigMapping(
        "Train",
        {"rate": "training.lr", "units_{i}": "UNITS", "size": "data.batch"},
        {"units_{i}": "layers"},
        frozenset({"rate", "size"}),
    )
    assert typed.key_of("depth") == "DEPTH"
    assert not typed.has_typed_keys_only
    assert ConfigMapping().with_keys({"rate": "lr"}).has_typed_keys_only


def test_two_hyperparameters_cannot_be_typed_to_one_key() -> None:
    with pytest.raises(ConfigError, match=r"rate and size both map to LR. Map them to different keys"):
        ConfigMapping(keys={"rate": "LR"}).with_keys({"size": "LR"})


def test_names_get_keys_where_no_series_has_them() -> None:
    mapping = ConfigMapping().with_keys({"units_{i}": "model.units"}).with_names(["units_0", "units_1", "block/Rate"])
    assert mapping.keys == {"units_{i}": "model.units", "block/Rate": "BLOCK_RATE"}
    assert mapping.to_config({"units_0": 8, "units_1": 4, "block/Rate": 0.5}) == {
        "model.units": [8, 4],
        "BLOCK_RATE": 0.5,
    }
    assert mapping.pattern_of("units_1") == "units_{i}"


def test_pairs_are_names_and_keys() -> None:
    assert parse_pairs(["lr=a.b", " n = c=d ", "lr=a.b"]) == {"lr": "a.b", "n": "c=d"}
    assert parse_pairs([]) == {}
    with pytest.raises(InputError, match=r"two keys, a.b and c. Expected one; remove the other"):
        parse_pairs(["lr=a.b", "lr=c"])
    with pytest.raises(InputError, match=r"--map 'lr' was given. Expected NAME=KEY.*--map learning_rate=training.lr"):
        parse_pairs(["lr"])
