"""Files that were made to fill the memory, to take forever or to raise something else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truetune.config.base import ConfigFile
from truetune.config.languages import config_text, parse_config, read_text
from truetune.config.patch import plan_patch
from truetune.errors import ConfigError

SECONDS = 20
"""Far more than any of these takes, far less than one that hangs."""


def parsed(text: str) -> ConfigFile:
    return parse_config(config_text(text.encode(), "config.yaml"))


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


def laughs(first: str, item: str, levels: int = 30) -> str:
    lines = [f"a0: &a0 {first}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} {item.replace('@', f'*a{level - 1}')}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "item", ["[@, @, @, @, @, @, @, @, @]", "{a: @, b: @, c: @, d: @}", "{<<: [@, @, @], a: {<<: @, x: [@, @]}}"]
)
def test_aliases_of_aliases_do_not_fill_the_memory(item: str) -> None:
    with in_time(), pytest.raises(ConfigError, match="more than 100000 values"):
        parsed(laughs("[x]" if item.startswith("[") else "{x: 1}", item))


def test_merges_of_merges_are_looked_at_once() -> None:
    with in_time():
        file = parsed(laughs("{x: 1}", "{<<: [@, @, @, @, @, @, @, @, @]}"))
    assert file.find("a29.x")[0].value == 1


@pytest.mark.parametrize("text", ["a: &a {b: *a}\nx: 1\n", "a: &a [*a]\nx: 1\n", "a: &a {<<: *a, b: 3}\nx: 1\n"])
def test_what_contains_itself_is_left_as_it_is(text: str) -> None:
    patch = plan_patch(config_text(text.encode(), "config.yaml"), {"x": 2})
    assert patch.after.text == text.replace("x: 1", "x: 2")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 300_000,
        "a: " + "{a: " * 100_000,
        "- " * 200_000,
        "? " * 200_000,
        "".join(f"{' ' * i}k:\n" for i in range(1000)),
        "\n".join(["a0: &a0 {x: 1}", *(f"a{i}: &a{i} {{x: *a{i - 1}}}" for i in range(1, 300))]),
    ],
)
def test_nesting_is_bounded(text: str) -> None:
    with in_time(), pytest.raises(ConfigError, match=r"line \d+ is nested more than 1[05]0 deep"):
        parsed(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a 1\n" + "".join(f"k{i}: *a\n" for i in range(5_000)),
        "".join("a: {b: 1}\n" for i in range(5_000)),
        "".join(f"k{i}: {{b: 1}}\n" for i in range(5_000)),
        "x: " + "1" * 100_000 + "\n",
        "x: '" + "a " * 100_000 + "'\n",
        "# c\n" * 50_000 + "x: 1\n",
    ],
)
def test_long_files_are_read_in_time(text: str) -> None:
    with in_time():
        file = parsed(text)
        file.literals()
        for key in ("k7", "b", "x"):
            with contextlib.suppress(ConfigError):
                file.require(key)


def test_messages_stay_readable() -> None:
    for text, key in (
        ("a: &a 1\n" + "".join(f"k{i}: *a\n" for i in range(500)), "k3"),
        ("".join("a: {b: 1}\n" for i in range(500)), "a.b"),
        ("".join(f"k{i}: {{b: 1}}\n" for i in range(500)), "b"),
        ("---\nx: 1\n" * 500, "x"),
    ):
        with pytest.raises(ConfigError) as caught:
            plan_patch(config_text(text.encode(), "config.yaml"), {key: 5})
        assert len(str(caught.value)) < 2500


def test_a_huge_file_is_refused_before_it_is_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "config.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole; nothing is on the disk
    with (
        in_time(),
        pytest.raises(ConfigError, match=r"more than 1 MiB. Expected a config file"),
    ):
        read_text(path)


@pytest.mark.parametrize(
    "text",
    ["x: !!python/object/apply:os.system ['touch owned']\nlr: 1\n", "x: !!python/name:os.system\nlr: 1\n"],
)
def test_nothing_is_constructed(text: str, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    patch = plan_patch(config_text(text.encode(), "config.yaml"), {"lr": 2})
    assert patch.after.text == text.replace("lr: 1", "lr: 2")
    assert not list(tmp_path.iterdir())


PIECES = [
    "a", "lr",
    "b: ", "c:", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ", ", ",", ":", " : ", "'", '"', "#", " # c",
    "&a ", "*a", "!t ", "!!float ", "!<x> ", "? ", "|\n  x", ">-\n", "1", "0.1", "1e-3", "~", "<<: ", "\t", "%",
    "---\n",
    "...\n", "\\", "é", "=", "%YAML 1.1\n---\n", "%YAML 1.3\n---\n", "%TAG ! tag:x,1:\n---\n", "%TAG ! x\n", "\r\n",
    "\r", "\ufeff", "\x85", "-", "?", "@", "`", "yes", "\x00", "\x07", "\U0001f600", "\\x", "|9", ">+1\n",
]  # fmt: skip


@settings(max_examples=800, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.booleans())
def test_any_text_is_read_or_refused(text: str, has_key: bool) -> None:
    text = f"x: 1\n{text}" if has_key else text
    try:
        file = parsed(text)
    except ConfigError as error:
        assert "config.yaml" in str(error)  # noqa: PT017
        return
    assert file.compare(file.reparse(file.text.text), []) == ""
    if len(file.find(".x")) == 1 and file.find(".x")[0].value == 1:
        with contextlib.suppress(ConfigError):  # a second `x` may be refused
            after = plan_patch(file.text, {".x": 25}).after.text
            assert after == file.text.text.replace("x: 1", "x: 25", 1)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ConfigError):
        assert parse_config(config_text(raw, "config.yaml")).text.raw == raw
