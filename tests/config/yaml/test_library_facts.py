"""What docs/decisions/dependency-notes.md says of ruamel.yaml and PyYAML; config/yaml is built on it."""

from __future__ import annotations

import io
from typing import Any

import pytest
import ruamel.yaml
import yaml


def ruamel_safe() -> Any:
    return ruamel.yaml.YAML(typ="safe", pure=True)


def round_trip(text: str) -> str:
    out = io.StringIO(newline="")
    reader = ruamel.yaml.YAML()
    reader.dump(reader.load(text), out)
    return out.getvalue()


def test_ruamel_dumps_numbers_that_pyyaml_reads_as_text() -> None:
    out = io.StringIO()
    ruamel.yaml.YAML().dump({"lr": 5e-05}, out)
    assert out.getvalue() == "lr: 5e-05\n"
    assert yaml.safe_load(out.getvalue()) == {"lr": "5e-05"}
    assert yaml.safe_load("lr: 5.0e-05") == ruamel_safe().load("lr: 5.0e-05") == {"lr": 5e-05}
    assert yaml.safe_load("lr: 5.0e3") == {"lr": "5.0e3"}


@pytest.mark.parametrize("text", ["lr:   0.1\n", "a: 1\r\nb: 2\r\n", "a: 1"])
def test_the_round_trip_is_not_byte_for_byte(text: str) -> None:
    assert round_trip(text) != text


def test_the_mark_of_a_missing_value_may_be_late() -> None:
    text = "a:\n\n\nb: 1\n"
    ours, theirs = (
        [event.start_mark.index for event in events if getattr(event, "value", None) == ""]
        for events in (ruamel_safe().parse(text), yaml.parse(text, Loader=yaml.SafeLoader))
    )
    assert theirs == [2]
    assert ours != [2]


def test_yaml_1_3_is_an_assertion_error() -> None:
    with pytest.raises(AssertionError):
        ruamel_safe().load("%YAML 1.3\n---\na: 1\n")
    assert yaml.safe_load("%YAML 1.3\n---\na: 1\n") == {"a": 1}


@pytest.mark.parametrize("text", ["a: [1,\t2]\n", "a: [1,\n\t2]\n"])
def test_ruamel_skips_tabs_in_brackets(text: str) -> None:
    assert ruamel_safe().load(text) == {"a": [1, 2]}
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)


def test_ruamel_takes_more_for_numbers_than_yaml() -> None:
    assert ruamel_safe().load("a: [-0o17, 1_0e5]") == {"a": [-15, 1e6]}
    assert yaml.safe_load("a: [-0o17, 1_0e5]") == {"a": ["-0o17", "1_0e5"]}
    with pytest.raises(ValueError, match="could not convert"):
        ruamel_safe().load("a: ._")
