"""What scalars say and how values are written, against PyYAML and ruamel.yaml themselves."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
import ruamel.yaml
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.config.yaml.scalars import DATE, as_pyyaml_reads, read_plain, write_float
from truetune.config.yaml.writing import write_scalar


def ruamel_value(text: str) -> Any:
    return ruamel.yaml.YAML(typ="safe", pure=True).load(io.StringIO(f"a: {text}\n"))["a"]


@pytest.mark.parametrize(
    "text",
    ["1", "-3", "+2", "0", "0x1F", "0.5", "-0.5", ".5", "5.", "1.5e+3", "1.0e-05", "-.inf", ".nan", "true", "False",
     "TRUE", "null", "~", "", "adam", "a b", "y", "n", "1.2.3", "1e", "--1", "v1", "1 000", "nan", "inf"],
)  # fmt: skip
def test_where_all_readers_agree_there_is_no_doubt(text: str) -> None:
    reading = read_plain(text)
    expected = yaml.safe_load(f"a: {text}\n")["a"]
    assert repr(reading.value) == repr(expected) == repr(ruamel_value(text))
    assert type(reading.value) is type(expected)
    assert (reading.doubt, reading.problem) == ("", "")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1e3", 1000.0), ("5E-05", 5e-05), ("1.5e3", 1500.0), ("-.5", -0.5),
     ("+.5", 0.5), ("0o17", 15), ("08", 8)],
)  # fmt: skip
def test_text_to_pyyaml_that_is_a_number_to_yaml_1_2_is_a_number_with_a_doubt(text: str, value: Any) -> None:
    assert isinstance(yaml.safe_load(text), str)
    assert ruamel_value(text) == value
    reading = read_plain(text)
    assert (type(reading.value), reading.value) == (type(value), value)
    assert reading.doubt == f"is `{text}`, which is text to PyYAML (YAML 1.1) and {value!r} to YAML 1.2"


@pytest.mark.parametrize(
    ("text", "value"),
    [("yes", True), ("No", False), ("on", True), ("OFF", False), ("1_000", 1000),
     ("0b11", 3), ("-0x1F", -31), ("1_0.5", 10.5)],
)  # fmt: skip
def test_what_is_text_to_yaml_1_2_is_what_pyyaml_reads_with_a_doubt(text: str, value: Any) -> None:
    reading = read_plain(text)
    assert (
        (type(reading.value), reading.value)
        == (type(value), value)
        == (type(yaml.safe_load(text)), yaml.safe_load(text))
    )
    assert f"{value!r} to PyYAML (YAML 1.1) and text to YAML 1.2" in reading.doubt


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("010", "8 to PyYAML (YAML 1.1) and 10 to YAML 1.2"),
        ("1:30", "90 to PyYAML (YAML 1.1) and text to YAML 1.2"),
        ("12:30:45", "45045 to PyYAML"),
        ("190:20:30.15", "685230.15 to PyYAML"),
        ("2024-01-01", "a date to PyYAML"),
        ("2024-01-01 10:00:00", "a date to PyYAML"),
        ("2024-13-45", "a date to PyYAML"),
        ("1_0e5", "text to PyYAML and a number to ruamel.yaml"),
        ("-0o17", "text to PyYAML and a number to ruamel.yaml"),
        ("._", "text to PyYAML and a number to ruamel.yaml"),
        ("0b_", "PyYAML cannot read"),
        ("=", "PyYAML cannot read"),
    ],
)
def test_what_is_never_guessed(text: str, problem: str) -> None:
    reading = read_plain(text)
    assert reading.value is None
    assert problem in reading.problem


@pytest.mark.parametrize(
    ("value", "written"),
    [(5e-05, "5.0e-05"), (1e16, "1.0e+16"), (1.5e300, "1.5e+300"),
     (-1e-07, "-1.0e-07"), (0.001, "0.001"), (1.0, "1.0"), (-0.0, "-0.0")],
)  # fmt: skip
def test_floats_have_a_point_and_a_signed_exponent(value: float, written: str) -> None:
    assert write_float(value) == written


@pytest.mark.parametrize(
    ("value", "old", "style", "written"),
    [
        ("sgd", "adam", "", "sgd"),
        ("sgd", "adam", "'", "'sgd'"),
        ("sgd", "adam", '"', '"sgd"'),
        ("it's", "adam", "'", "'it''s'"),
        ('a "b" \\', "adam", '"', '"a \\"b\\" \\\\"'),
        ("a\nb", "adam", "'", '"a\\nb"'),
        ("é", "adam", '"', '"é"'),
        ("\x85\U000e0001\ud800", "adam", "", '"\\x85\\U000e0001\\ud800"'),
        ("yes", "adam", "", "'yes'"),
        ("y", "adam", "", "'y'"),
        ("1e-3", "adam", "", "'1e-3'"),
        ("a: b", "adam", "", "'a: b'"),
        ("", "adam", "", "''"),
        (True, "False", "", "True"),
        (False, "TRUE", "", "FALSE"),
        (True, "no", "", "true"),
        (3, "1_000", "", "3"),
    ],
)
def test_writing(value: Any, old: str, style: str, written: str) -> None:
    assert write_scalar(value, old, style) == written


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans() | st.text(max_size=20))
def test_what_is_written_is_read_back_by_both(value: Any) -> None:
    for style in ("", "'", '"'):
        written = write_scalar(value, "", style)
        for read in (
            yaml.safe_load(f"{{a: [{written}]}}"),
            ruamel.yaml.YAML(typ="safe", pure=True).load(f"a: [{written}]"),
        ):
            assert (type(read["a"][0]), read["a"][0]) == (type(value), value)


NUMBERISH = st.text("0123456789+-._:eExXobnaifINF", max_size=8) | st.text("0123456789-T:. Z+", max_size=22)
WORDISH = st.sampled_from(["yes", "No", "oN", "off", "y", "TRUE", "fAlse", "null", "Null", "nULL", "~", "=", "", "<<x"])


@settings(max_examples=1000, deadline=None)
@given(NUMBERISH | WORDISH)
def test_the_rules_of_pyyaml_are_pyyamls(text: str) -> None:
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, text, (True, False))
    try:
        expected = yaml.constructor.SafeConstructor().construct_document(yaml.ScalarNode(tag, text))
    except ValueError:  # a date with 13 months
        assert as_pyyaml_reads_or_not(text) in (None, DATE)
        return
    except yaml.YAMLError:
        assert as_pyyaml_reads_or_not(text) is None
        return
    found = as_pyyaml_reads(text)
    if isinstance(expected, datetime.date):
        assert found is DATE
    else:
        assert (type(found), repr(found)) == (type(expected), repr(expected))


def as_pyyaml_reads_or_not(text: str) -> Any:
    try:
        return as_pyyaml_reads(text)
    except ValueError:
        return None


@settings(max_examples=1000, deadline=None)
@given(NUMBERISH | WORDISH)
def test_without_a_doubt_both_libraries_read_that_value(text: str) -> None:
    reading = read_plain(text)
    if reading.problem or reading.doubt or text.strip() != text:
        return
    try:
        read = [yaml.safe_load(f"a: {text}\n"), ruamel.yaml.YAML(typ="safe", pure=True).load(f"a: {text}\n")]
    except (yaml.YAMLError, ruamel.yaml.YAMLError):  # `- -` and `a: b` are no scalars
        return
    if all(isinstance(found, dict) and not isinstance(found.get("a"), (dict, list)) for found in read):
        for found in read:
            assert (type(found["a"]), repr(found["a"])) == (type(reading.value), repr(reading.value))
