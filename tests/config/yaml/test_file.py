"""Reading and patching YAML files, one construct at a time."""

from __future__ import annotations

from typing import Any

import pytest

from truetune.config.languages import config_text, parse_config
from truetune.config.patch import Patch, plan_patch
from truetune.errors import ConfigError


def patch(source: str, values: dict[str, Any], scope: str | None = None, comment: str = "", **more: Any) -> Patch:
    return plan_patch(config_text(source.encode(), "config.yaml"), values, scope, comment, **more)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("x: 3", 4, "x: 4"),
        ("x: 3", -4, "x: -4"),
        ("x: 3", 16.0, "x: 16"),
        ("x: 0.1", 1, "x: 1.0"),
        ("x: 0", 0.3, "x: 0.3"),
        ("x: 0.1", 5e-05, "x: 5.0e-05"),
        ("x: 1e-3", 0.001, "x: 0.001"),
        ("x: 1.0e-3", 0.001, "x: 1.0e-3"),
        ("x: 1e-3", 5e-05, "x: 5.0e-05"),
        ("x: yes", False, "x: false"),
        ("x: True", False, "x: False"),
        ("x: true", True, "x: true"),
        ("x: ~", 0.5, "x: 0.5"),
        ("x:", 0.5, "x: 0.5"),
        ("x:  # c", 0.5, "x: 0.5  # c"),
        ("x: null", "adam", "x: adam"),
        ("x: adam", "sgd", "x: sgd"),
        ("x: adam", "on", "x: 'on'"),
        ("x: 'adam'", "it's", "x: 'it''s'"),
        ('x: "a\\u00e9"', "sgd", 'x: "sgd"'),
        ("x: a plain\n  text  # c", "sgd", "x: sgd  # c"),
        ("x: 'quoted\n\n  text'  # c", "sgd", "x: 'sgd'  # c"),
        ("x: &free 3", 4, "x: &free 4"),
        ("x: !!float 1e-3", 5e-05, "x: !!float 5.0e-05"),
        ("x: !!float &a 1", 0.5, "x: !!float &a 0.5"),
        ("x: !!int 3", 4, "x: !!int 4"),
        ("x: !!str 3", "a", "x: !!str a"),
        ("? x\n: 3", 4, "? x\n: 4"),
        ("'x' : 3", 4, "'x' : 4"),
        ("{x: 3, y: 4}", 5, "{x: 5, y: 4}"),
        ('{"x":3,"y":4}', 5, '{"x":5,"y":4}'),
        ("{x: , y: 4}", 5, "{x: 5 , y: 4}"),
        ("x: [64, 128]", [64, 32], "x: [64, 32]"),
        ("x: [64, 1_28]", [32, 128], "x: [32, 128]"),
        ("x: [64, 128,]", [64], "x: [64,]"),
        ("x: [1, 2]  # c", [1, 2, 3], "x: [1, 2, 3]  # c"),
        ("x: [1, 2]", [0.5, 2.0], "x: [0.5, 2]"),
        ("x: ['a', 'b']", ["c", "d", "e"], "x: ['c', 'd', 'e']"),
        ("x: &a []", [1, 2], "x: &a [1, 2]"),
        ("x: [1e-3, 0.1]", [0.001, 0.1], "x: [0.001, 0.1]"),
        ("x:\n- 1  # a\n- 2  # b\ny: 1", [3, 4], "x:\n- 3  # a\n- 4  # b\ny: 1"),
        ("x:\n- 1  # a\n- 2  # b\ny: 1", [3], "x:\n- 3  # a\ny: 1"),
        ("x:\n  -  1\n  # c\n\ny: 1", [1, 2], "x:\n  -  1\n  -  2\n  # c\n\ny: 1"),
        ("a:\n- x: 1\n- y: 2", 5, "a:\n- x: 5\n- y: 2"),
        ("%YAML 1.2\n---\nx: 1\n...\n", 2, "%YAML 1.2\n---\nx: 2\n...\n"),
        ("# only\n\nx: 1\n\n# end", 2, "# only\n\nx: 2\n\n# end"),
    ],
)  # fmt: skip
def test_one_value(before: str, value: Any, after: str) -> None:
    assert patch(before, {"x": value}).after.text == after
    assert not patch(after, {"x": value})


@pytest.mark.parametrize(
    ("before", "value", "message"),
    [
        ("x: 1", True, "line 1 .top level., holds int, and the new value True is bool"),
        ("x: true", 1, "holds bool, and the new value 1 is int"),
        ("x: '0.001'", 0.01, "holds str, and the new value 0.01 is float"),
        ("x: !!int 3", 0.5, "holds int"),
        ("x: [1]", 1, "is a list, and the new value 1 is one int"),
        ("x: 1", [1], "is one int, and the new value .* is a list"),
        ("x: [1]", [], "would become empty"),
        ("x: {a: 1}", 1, "is a mapping, not one value"),
        ("x: [1, [2]]", [1, 2], "something other than plain values in it .line 1."),
        ("x: [1, 010]", [1, 2], "element in line 1 is `010`"),
        ("x: 010", 1, "is `010`, which is 8 to PyYAML .YAML 1.1. and 10 to YAML 1.2"),
        ("x: 1:30", 1, "is `1:30`, which is 90 to PyYAML"),
        ("x: 2024-01-01", "a", "a date to PyYAML"),
        ("x: |\n  text\n", "a", "is a block scalar"),
        ("x: >-\n  text\n", "a", "is a block scalar"),
        ("x: !ref <lr>", 1, "has the tag !ref"),
        ("x: !!python/name:os.system ''", "a", "has the tag !!python/name:os.system"),
        ("!!python/object:a.B\nx: 1", 2, "stands under the tag !!python/object:a.B of line 1"),
        ("x: !!python/tuple [1, 2]", [3, 4], "the tag !!python/tuple"),
        ("x: !mine [1, 2]", [3, 4], "has the tag !mine"),
        ("x: !!float", 1.0, "has the tag !!float and no value"),
        ("x: !!int 1.5", 1, "has the tag !!int"),
        ("x: ${base.lr}", 1.0, r"is `\${base.lr}`, which something else fills in"),
        ("x: '{{ lr }}'", 1.0, "something else fills in"),
        ("x: adam", "${y}", r"would become '\${y}', which programs such as OmegaConf fill in"),
        ("{x, y: 1}", 1, "has no value, and no place for one"),
        ("? x\ny: 1", 1, "has no value, and no place for one"),
        ("x: &a\ny: 1", 1, "has no value, and no place for one"),
        ("x: 1\ny: 1\nx: 2", 3, "a value 2 times: x in line 1 .top level., x in line 3 .top level.. .*Keep only one"),
        ("t:\n  x: 1\nt:\n  y: 2", 3, r"line 2 .t., stands under t, which is there 2 times .lines 1, 3."),
        ("t: {x: 1}\nu: {x: 2}", 3, r"x in line 1 .t., x in line 2 .u.*or map its path: .t.x or .u.x"),
        ("x: &a 1\ny: *a", 2, "is shared: the anchor &a of line 1 is used again in line 2"),
        ("y: &a 1\nx: *a\nz: *a", 2, "line 2 .*is shared: the anchor &a of line 1 is used again in lines 2, 3"),
        ("y: &a\n  x: 1\nz: *a", 2, "gives x a value 2 times: x in line 2 .y., x in line 3 .z."),
        ("x: [&a 1, *a]", [1, 2], "element in line 1 is shared"),
        ("b: &b {y: 1}\nt:\n  <<: *b\n  x: 1\nt2:\n  <<: *b", 2, None),
        ("x: 0.5", float("nan"), "finite"),
        ("y: 1", 1, "none of the keys x. It has: y"),
    ],
)  # fmt: skip
def test_refusals(before: str, value: Any, message: str | None) -> None:
    if message is None:
        assert patch(before, {"x": value}).after.text == before.replace("x: 1", f"x: {value}")
        return
    with pytest.raises(ConfigError, match=message):
        patch(before, {"x": value})


MERGED = """\
base: &base
  lr: 0.1
  opt: adam
fast: &fast {lr: 0.5, opt: sgd}
train:
  <<: [*fast, *base]
  opt: rmsprop
  epochs: 3
eval:
  <<: *base
"""


def test_merges_are_read_and_never_patched_through() -> None:
    source = parse_config(config_text(MERGED.encode(), "config.yaml"))
    assert {path: source.require(path).value for path in ("train.lr", "train.opt", "eval.lr", "eval.opt")} == {  # type: ignore[union-attr]
        "train.lr": 0.5,
        "train.opt": "rmsprop",
        "eval.lr": 0.1,
        "eval.opt": "adam",
    }
    with pytest.raises(ConfigError, match=r"line 6 .train., comes from the merge `<<` in line 6, and stands in line 4"):
        patch(MERGED, {"train.lr": 0.2})
    with pytest.raises(
        ConfigError, match=r"line 2 .base., is shared: the anchor &base of line 1 is used again in lines 6, 10"
    ):
        patch(MERGED, {"base.lr": 0.2})
    assert patch(MERGED, {"train.opt": "adam", "epochs": 5}).after.text == MERGED.replace("rmsprop", "adam").replace(
        ": 3", ": 5"
    )
    assert patch(MERGED, {"train.lr": 0.5}).unchanged == ("lr",)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a: 1\n---\nb: 2\n", "2 documents, which begin in lines 1, 2"),
        (b"a:\n\tb: 1\n", "line 2 is not valid YAML: .*spaces, not with tabs"),
        (b"a: 1\t# c\n", "line 1 is not valid YAML: .*spaces, not with tabs"),
        (b"a: [1\n", "line 2 is not valid YAML"),
        (b"a: b: c\n", "line 1 is not valid YAML: mapping values are not allowed here"),
        (b"a: *b\n", r"line 1 has the alias \*b, and no anchor"),
        (b"a: 1\nb: \xe9\n", "line 2 is not encoded as utf-8"),
        (b"a: 1\nb: \x07\n", "line 2 is not valid YAML: it has the character U.0007"),
        ("a: 1\nb: 1 # x\u2028y\n".encode(), "line 2 has the character U.2028"),
        (b"# c\n- x: 1\n", "line 2 begins a list. Expected keys with values at the top"),
        (b"\n\ntext\n", "line 3 begins one value. Expected keys"),
        (b"a: [1,\n\t2]\n", "line 2 has a tab between its values"),
        (b"%YAML 1.3\n---\na: 1\n", "line 1 declares YAML 1.3. Expected 1.1 or 1.2"),
        (b"%YAML 2.0\n---\na: 1\n", "line 1 declares YAML 2.0"),
        (b"[" * 5000 + b"]" * 5000, "line 1 is nested more than 100 deep"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_are_said_with_the_line(raw: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(config_text(raw, "config.yaml"))


@pytest.mark.parametrize(
    ("key", "scope", "line"),
    [
        ("training.lr", None, 2),
        (".lr", None, 6),
        ("Training.LR", None, 2),
        ("lr", "training", 2),
        ("LR", "<top>", 6),
        ("LR", "<module>", 6),
        ("head.lr", "training", 4),
        ("training.head.lr", "training", 4),
        ("training.head.lr", "absent", 4),
        ("MAX_EPOCHS", None, 5),
        ("a.b", None, 7),
        ("blocks.1.units", None, 10),
        ("sizes.1", None, 13),
        ("numbers.3", None, 14),
        ("7", None, 15),
    ],
)
def test_a_key_is_found_by_its_path(key: str, scope: str | None, line: int) -> None:
    source = (
        "training:\n  lr: 1\n  head:\n    lr: 2\n  max-epochs: 3\nlr: 4\na.b: 5\n"
        "blocks:\n  - units: 6\n  - units: 7\nsizes:\n  - 8\n  - 9\nnumbers: {3: 1}\n7: 8\n"
    )
    found = parse_config(config_text(source.encode(), "c.yml")).require(key, scope)
    assert found is not None
    assert found.line == line


def test_a_path_that_is_not_there_is_not_looked_for_elsewhere() -> None:
    assert patch("model:\n  training:\n    lr: 1\nx: 1\n", {"training.lr": 2, "x": 1}).missing == {"training.lr": 2}


def test_a_key_with_a_dot_beside_the_path_is_ambiguous() -> None:
    with pytest.raises(ConfigError, match=r"gives a.b a value 2 times: .*line 1.*line 3"):
        patch("a.b: 1\na:\n  b: 1\n", {"a.b": 2})


def test_a_list_and_its_element_cannot_both_be_wanted() -> None:
    with pytest.raises(ConfigError, match="matched by two keys"):
        patch("x: [1, 2]\n", {"x": [3, 4], "x.0": 5})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: 1\n", "x: 2  # truetune: s 7\n"),
        ("x: 1", "x: 2  # truetune: s 7"),
        ("x:", "x: 2  # truetune: s 7"),
        ("x: 1   \n", "x: 2   # truetune: s 7\n"),
        ("x: 1 # c\n", "x: 2 # c  # truetune: s 7\n"),
        ("x: 1  # why  # truetune: s 3  \n", "x: 2  # why  # truetune: s 7  \n"),
        ("{x: 1, y: 2} # c\n", "{x: 2, y: 2} # c  # truetune: s 7\n"),
        ("c: {x: 1,\n  y: 2}\n", "c: {x: 2,  # truetune: s 7\n  y: 2}\n"),
        ("c: {x: 1, y: 'a\n  b'}\n", "c: {x: 2, y: 'a\n  b'}\n"),
        ("c: {x: 1, y: a\n  b}\n", "c: {x: 2, y: a\n  b}\n"),
        ("x: a\n  b\n", "x: 2  # truetune: s 7\n"),
    ],
)
def test_the_comment(before: str, after: str) -> None:
    value = "2" if "a\n  b\n" in before and before.startswith("x") else 2
    assert patch(before, {"x": value}, comment="s 7").after.text == after.replace(
        "x: 2", "x: '2'" if value == "2" else "x: 2"
    )


def test_numbers_that_are_text_to_pyyaml_are_pointed_out() -> None:
    planned = patch("t:\n  x: 1e-3\n", {"x": 5e-05})
    assert planned.notes == (
        "x in config.yaml, line 2 (t), is `1e-3`, which is text to PyYAML (YAML 1.1) and 0.001 to YAML 1.2. "
        "It becomes 5e-05 to both.",
    )


def test_comments_of_dropped_elements_are_noted() -> None:
    planned = patch("x:\n  - 1  # a\n  - 2  # b\n", {"x": [3]})
    assert "comments beside the others are dropped" in planned.notes[0]


def test_optional_keys_are_patched_or_noted() -> None:
    assert patch("x: 1\ne: 3\n", {"x": 1}, optional={"E": 5}).after.text == "x: 1\ne: 5\n"
    left = patch("x: 1\ne: ${n}\n", {"x": 1}, optional={"e": 5})
    assert not left
    assert "e was left alone" in left.notes[0]
