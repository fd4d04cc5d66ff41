from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from truetune.config.languages import config_text
from truetune.config.patch import Patch, plan_patch
from truetune.errors import ConfigError


def patch(source: str, values: dict[str, Any], scope: str | None = None, comment: str = "", **more: Any) -> Patch:
    return plan_patch(config_text(source.encode()), values, scope, comment, **more)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("X = 3", 4, "X = 4"),
        ("X = -3", 4, "X = 4"),
        ("X = 3", -4, "X = -4"),
        ("X = 3", 16.0, "X = 16"),
        ("X = 0.1", 1, "X = 1.0"),
        ("X = 0.1", 1e-05, "X = 1e-05"),
        ("X = 0.1", 0.1 + 0.2, "X = 0.30000000000000004"),
        ("X: float = 1", 0.5, "X: float = 0.5"),
        ("X: 'Optional[float]' = 1", 0.5, "X: 'Optional[float]' = 0.5"),
        ("X: float | None = 1", 0.5, "X: float | None = 0.5"),
        ("X: Final[float] = 1", 0.5, "X: Final[float] = 0.5"),
        ("X = None", 0.5, "X = 0.5"),
        ("X: int = None", 2.0, "X: int = 2"),
        ("X = True", False, "X = False"),
        ("X = 'adam'", "sgd", "X = 'sgd'"),
        ('X = """adam"""', "sgd", 'X = """sgd"""'),
        ("X = r'a\\b'", 'it\'s "q"\\\n', "X = 'it\\'s \"q\"\\\\\\n'"),
        ("X = 'a' 'b'", "c", "X = 'c'"),
        ("X = (\n  3  # c\n)", 4, "X = (\n  4  # c\n)"),
        ("X = 1_000", 1000, "X = 1_000"),
        ("X = 1e-3", 0.001, "X = 1e-3"),
        ("X = 1", 1.0, "X = 1"),
        ("X = [64, 128]", [64, 32], "X = [64, 32]"),
        ("X = [64, 1_28]", [32, 128], "X = [32, 1_28]"),
        ("X = [\n  64,  # a\n  128  # b\n]", [1, 2], "X = [\n  1,  # a\n  2  # b\n]"),
        ("X = [64, 128]", [64, 32, 16], "X = [64, 32, 16]"),
        ("X = [64, 128,]", [64], "X = [64,]"),
        ("X = [\n    64,\n    128,\n]", [1, 2, 3], "X = [\n    1,\n    2,\n    3,\n]"),
        ("X = []", [1, 2], "X = [1, 2]"),
        ("X = (64, 128)", [64], "X = (64,)"),
        ("X = (64,)", [64, 32], "X = (64, 32,)"),
        ("X = ()", [64], "X = (64,)"),
        ("X = 1, 2", [3, 4], "X = 3, 4"),
        ("X = [0.5, 1]", [1, 2], "X = [1.0, 2]"),
        ("X: list[float] = [1, 2]", [0.5, 2], "X: list[float] = [0.5, 2]"),
        ("X: tuple[float, ...] = (1,)", [2, 3], "X: tuple[float, ...] = (2.0, 3.0,)"),
        ("X = [0.5, 0.6]", [1, 2, 3], "X = [1.0, 2.0, 3.0]"),
        ("X = ['a', 'b']", ["c"], "X = ['c']"),
    ],
)
def test_one_literal(before: str, value: Any, after: str) -> None:
    assert patch(before, {"X": value}).after.text == after


@pytest.mark.parametrize(
    ("before", "value", "message"),
    [
        ("X = 1", 1.5, r"line 1 \(module level\), holds int, and the new value 1.5 is float; write it as a float"),
        ("X = 1", True, "holds int, and the new value True is bool"),
        ("X = True", 1, "holds bool, and the new value 1 is int"),
        ("X = 'a'", 1, "holds str"),
        ("X = 1", "a", "holds int"),
        ("X = 0.5", 2**60 + 1, "holds float"),
        ("X = [1]", 1, "is a list, and the new value 1 is one int"),
        ("X = 1", [1], "is one int, and the new value .* is a list"),
        ("X = {'a': 1}", 1, "is a dict"),
        ("X = [1, 2]", [1, 2.5], "holds int"),
        ("X = [1, 2]", [1.5], "holds int"),
        ("X = [1, 2]", [], "would become empty"),
        ("X = int(os.environ.get('X', 3))", 1, "not a literal"),
        ("X = [1, N]", [1, 2], "not a literal"),
        ("X = 2 * 3", 1, "not a literal"),
        ("X = f'a'", "b", "not a literal"),
        ("X = 0.5", float("nan"), "finite"),
        ("X = [0.5]", [float("inf")], "finite"),
        ("X = 0.5", {"a": 1}, "Expected a bool"),
        ("Y = 0.5", 1.0, "none of the keys X. It has: Y"),
    ],
)
def test_refusals(before: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        patch(before, {"X": value})


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        patch("A = 1\nB = f()\nC = 2\nC = 3\nD = 4\n", {"A": 1.5, "B": 2, "C": 4, "D": 5})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "line 3 (module level), C in line 4" in lines[2]


def test_changes_unchanged_and_missing_are_told_apart() -> None:
    planned = patch("A = 1\nB = 2\n", {"B": 3, "A": 1, "C": 4})
    assert [str(change) for change in planned.changes] == ["line 2: B 2 -> 3"]
    assert planned.unchanged == ("A",)
    assert planned.missing == {"C": 4}


def test_a_scope_chooses_among_several_places() -> None:
    source = "class A:\n    X = 1\nclass B:\n    X = 1\nX = 1\n"
    assert patch(source, {"X": 2}, "B").after.text == "class A:\n    X = 1\nclass B:\n    X = 2\nX = 1\n"
    assert patch(source, {"X": 2}, "<module>").after.text == "class A:\n    X = 1\nclass B:\n    X = 1\nX = 2\n"


def test_two_keys_for_one_literal_are_refused() -> None:
    with pytest.raises(ConfigError, match="matched by two keys"):
        patch("units = 1\n", {"Units": 2, "UNITS": 3})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("X = 1\n", "X = 2  # truetune: s 7\n"),
        ("X = 1", "X = 2  # truetune: s 7"),
        ("X = 1   \n", "X = 2   # truetune: s 7\n"),
        ("X = 1  # noqa\n", "X = 2  # noqa  # truetune: s 7\n"),
        ("X = 1  # truetune: s 3\n", "X = 2  # truetune: s 7\n"),
        ("X = 1  # why  # truetune: s 3  \n", "X = 2  # why  # truetune: s 7  \n"),
        ("X = 1  # truetune: s 3  # why\n", "X = 2  # truetune: s 7  # why\n"),
        ("X = [\n  1,  # a\n]\n", None),
        ("C = {'X': 1, 'Y': 2}  # c\n", "C = {'X': 2, 'Y': 2}  # c  # truetune: s 7\n"),
        ("C = {\n  'X': 1,\n  'Y': 2\n}\n", "C = {\n  'X': 2,  # truetune: s 7\n  'Y': 2\n}\n"),
        ("C = {\n  'Y': 2, 'X': 1}\n", "C = {\n  'Y': 2, 'X': 2}  # truetune: s 7\n"),
        ("X = 1; Y = '''\n'''\n", "X = 2; Y = '''\n'''\n"),
        ("X = 1; \\\nY = 3\n", "X = 2; \\\nY = 3\n"),
        ("class A: X = 1\n", "class A: X = 2  # truetune: s 7\n"),
    ],
)
def test_the_comment(before: str, after: str | None) -> None:
    if after is None:
        assert patch(before, {"X": [2]}, comment="s 7").after.text == "X = [\n  2,  # a\n]  # truetune: s 7\n"
    else:
        assert patch(before, {"X": 2}, comment="s 7").after.text == after


def test_a_comment_cannot_break_the_file() -> None:
    planned = plan_patch(
        config_text(b"# coding: latin-1\nX = 1\n"),
        {"X": 2},
        comment="a\nimport os # b \u20ac \xe9 \x00 trial 3",
    )
    assert planned.after.text == "# coding: latin-1\nX = 2  # truetune: a import os b ? \xe9 ? trial 3\n"
    assert plan_patch(planned.after, {"X": 3}, comment="s 4").after.text.endswith("X = 3  # truetune: s 4\n")


def test_text_that_the_encoding_lacks_is_escaped() -> None:
    text = config_text(b"# coding: latin-1\nX = '\xe9'\n")
    planned = plan_patch(text, {"X": "\xe4\u20ac\U0001f40d"})
    assert planned.after.raw == b"# coding: latin-1\nX = '\xe4\\u20ac\\U0001f40d'\n"


def test_comments_between_replaced_elements_are_noted() -> None:
    planned = patch("X = [\n  1,  # a\n  2,  # b\n]\n", {"X": [3]})
    assert planned.after.text == "X = [\n  3,  # b\n]\n"
    assert "comments between them are dropped" in planned.notes[0]


def test_optional_keys_are_patched_or_noted() -> None:
    assert patch("X = 1\nE = 3\n", {"X": 1}, optional={"E": 5}).after.text == "X = 1\nE = 5\n"
    assert patch("X = 1\n", {"X": 1}, optional={"E": 5}).notes == ()
    left = patch("X = 1\nE = f()\n", {"X": 1}, optional={"E": 5})
    assert not left
    assert "E was left alone" in left.notes[0]


def test_an_odd_end_of_file_does_not_stand_in_the_way() -> None:
    source = "X = 1\n\n   # indented after an empty line, which libcst drops"
    assert patch(source, {"X": 2}).after.text == source.replace("1", "2", 1)


def test_the_diff_is_readable() -> None:
    diff = patch("A = 1\r\nX = 1\r\n", {"X": 2}).diff()
    assert diff.splitlines() == [
        "--- config.py (now)",
        "+++ config.py (new)",
        "@@ -1,2 +1,2 @@",
        " A = 1",
        "-X = 1",
        "+X = 2",
    ]
    assert patch("X = 1\n", {"X": 1}).diff() == ""


def test_writing(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text("X = 1\n")
    path.chmod(0o600)
    planned = plan_patch(path, {"X": 2})
    backup = planned.write()
    assert path.read_text() == "X = 2\n"
    assert backup is not None
    assert backup.stat().st_mode == path.stat().st_mode
    assert plan_patch(path, {"X": 2}).write() is None
    with pytest.raises(ConfigError, match="changed after the patch was planned"):
        planned.write()
    with pytest.raises(ConfigError, match="planned on text"):
        patch("X = 1\n", {"X": 2}).write()
    assert len(list(tmp_path.glob("*.bak"))) == 1
    assert plan_patch(path, {"X": 3}).write(backup=False) is None
    assert path.read_text() == "X = 3\n"
