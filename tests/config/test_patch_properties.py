"""A patch changes the values it names and not one other byte, on config files of every shape."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truetune.config.apply import undo
from truetune.config.languages import config_text, parse_config
from truetune.config.patch import plan_patch
from truetune.config.text import ConfigText

NOISE = [
    "",
    "# a comment with KEY_0 = 1 in it",
    "   # an indented comment",
    "\f",
    "import os",
    'os.environ["KEY_0"] = "1"',
    "def train(KEY_0=3):\n    KEY_1 = 0.5\n    return KEY_0, KEY_1",
    'TEXT = """\nKEY_0 = 5\n# KEY_1 = 6"""',
    "NAMES = {1: 'a', 'other': [1, 2]}",
    "TOTAL = 60 * \\\n    60",
    "if os.environ.get('X'):\n\tFLAG = 1",
    "callback = lambda KEY_0=1: KEY_0",
    "print({'KEY_0': 3})",
]
COMMENTS = ["", "  # why", "# tight", "  # type: ignore  ", "   ", "  # truetune: old study trial 3", "  # é ü"]


@dataclass(frozen=True)
class Generated:
    """`template` has the code of value i where it says `\0i\0`."""

    template: str
    keys: tuple[str, ...]
    old: tuple[Any, ...]
    codes: tuple[str, ...]
    new: tuple[Any, ...]
    encoding: str
    has_mark: bool

    def render(self, codes: tuple[str, ...]) -> bytes:
        text = re.sub("\0(\\d+)\0", lambda match: codes[int(match[1])], self.template)
        return (b"\xef\xbb\xbf" if self.has_mark else b"") + text.encode(self.encoding)

    @property
    def source(self) -> ConfigText:
        return config_text(self.render(self.codes))

    @property
    def values(self) -> dict[str, Any]:
        return dict(zip(self.keys, self.new, strict=True))

    def new_codes(self) -> tuple[str, ...]:
        """A value that stays keeps its spelling; a string keeps its quotes."""
        triples = zip(self.codes, self.old, self.new, strict=True)
        return tuple(code if old == new else written(code, new) for code, old, new in triples)


def written(code: str, value: Any) -> str:
    return f"{code[0]}{value}{code[0]}" if isinstance(value, str) else repr(value)


WORDS = st.text(string.ascii_letters + string.digits + " _-#", max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(10**6), 10**6)


@st.composite
def scalar(draw: Any) -> tuple[Any, str, Any]:
    """(old value, its code, new value) of one type."""
    kind = draw(st.sampled_from(["int", "float", "bool", "str", "none", "odd"]))
    if kind == "odd":  # spellings that must survive where the value stays
        code = draw(st.sampled_from(["1_000", "0x10", "1e-3", "1.50", "00", "+2", "-1e5", "5.", ".5", "1E3"]))
        old = eval(code)
        return old, code, draw(st.just(old) | (INTS if isinstance(old, int) else FLOATS))
    if kind == "str":
        quote = draw(st.sampled_from(["'", '"']))
        old = draw(WORDS)
        return old, f"{quote}{old}{quote}", draw(WORDS)
    values = {"int": INTS, "float": FLOATS, "bool": st.booleans(), "none": st.none()}[kind]
    old = draw(values)
    return old, repr(old), draw(FLOATS if kind == "none" else values)


@st.composite
def block(draw: Any, keys: list[str], codes: list[int]) -> str:
    """Some of the constants, as module constants, class, dataclass or dict."""
    style = draw(st.sampled_from(["module", "class", "dataclass", "dict", "inline dict", "call", "semicolons", "if"]))
    name = f"Scope{codes[0]}"
    comments = [draw(st.sampled_from(COMMENTS)) for _ in keys]
    slots = [f"\0{i}\0" for i in codes]
    rows = list(zip(keys, slots, comments, strict=True))
    indent = draw(st.sampled_from(["    ", "\t", " "]))
    equals = draw(st.sampled_from([" = ", "=", "  =  "]))
    if style == "module":
        return "\n".join(f"{k}{equals}{draw(st.sampled_from([s, f'({s})', f'( {s} )']))}{c}" for k, s, c in rows)
    if style == "if":
        return "if True:\n" + "\n".join(f"{indent}{k}{equals}{s}{c}" for k, s, c in rows)
    if style == "class":
        lines = [f"{indent}{k}{draw(st.sampled_from(['', ': object']))}{equals}{s}{c}" for k, s, c in rows]
        return "\n".join([f"class {name}:", f'{indent}"""Doc."""', "", *lines])
    if style == "dataclass":
        return "\n".join([f"class {name}:", *(f"{indent}{k}: object = field(default={s}){c}" for k, s, c in rows)])
    if style == "dict":
        return "\n".join([f"{name} = {{", *(f"{indent}'{k}' : {s},{c}" for k, s, c in rows), "}"])
    if style == "inline dict":
        return f"{name} = {{" + ", ".join(f'"{k}":{s}' for k, s, _ in rows) + "}" + comments[0]
    if style == "call":
        return f"{name} = dict(" + ", ".join(f"{k}={s}" for k, s, _ in rows) + ")" + comments[0]
    return "; ".join(f"{k}{equals}{s}" for k, s, _ in rows) + comments[0]


@st.composite
def config_files(draw: Any) -> Generated:
    values = draw(st.lists(scalar(), min_size=1, max_size=8))
    keys = [f"KEY_{i}" for i in range(len(values))]
    cookie, encoding = draw(
        st.sampled_from(
            [("", "utf-8"), ("# -*- coding: latin-1 -*-", "latin-1"), ("# vim: set fileencoding=cp1252 :", "cp1252")]
        )
    )
    parts = [cookie] if cookie else []
    start = 0
    while start < len(keys):
        parts += draw(st.lists(st.sampled_from(NOISE), max_size=2))
        end = min(len(keys), start + draw(st.integers(1, 4)))
        parts.append(draw(block(keys[start:end], list(range(start, end)))))
        start = end
    parts += draw(st.lists(st.sampled_from(NOISE), max_size=2))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = "\n".join(parts).replace("\n", newline) + draw(st.sampled_from(["", newline]))
    old, codes, new = zip(*values, strict=True)
    has_mark = encoding == "utf-8" and draw(st.booleans())
    return Generated(text, tuple(keys), old, codes, new, encoding, has_mark)


slow_generator = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@slow_generator
@given(config_files())
def test_a_patch_changes_its_values_and_not_one_other_byte(file: Generated) -> None:
    patch = plan_patch(file.source, file.values)
    assert patch.after.raw == file.render(file.new_codes())
    assert {change.key for change in patch.changes} | set(patch.unchanged) == set(file.keys)


@slow_generator
@given(config_files())
def test_the_patched_file_holds_the_values_and_a_second_patch_changes_nothing(file: Generated) -> None:
    once = plan_patch(file.source, file.values, comment="study trial 7")
    read = parse_config(once.after).literals()
    assert {key: read[key] for key in file.keys} == file.values
    again = plan_patch(once.after, file.values, comment="study trial 8")
    assert not again
    assert again.after == once.after


@slow_generator
@given(config_files())
def test_comments_are_replaced_and_never_stacked(file: Generated) -> None:
    there = plan_patch(file.source, file.values, comment="first trial 1")
    back = plan_patch(there.after, {c.key: c.old for c in there.changes if c.old is not None}, comment="second trial 2")
    for patch in (there, back):
        assert all(line.count("# truetune:") <= 1 for line in patch.after.text.splitlines())
    for change in back.changes:
        assert re.search(r"# truetune: second trial 2\s*$", back.after.text, re.MULTILINE)
        assert change.new == file.old[file.keys.index(change.key)]


@slow_generator
@given(config_files())
def test_what_is_no_value_of_ours_survives_comments_too(file: Generated) -> None:
    patch = plan_patch(file.source, file.values, comment="study trial 7")
    expected = file.render(file.new_codes()).decode(file.encoding)
    assert without_notes(patch.after.raw.decode(file.encoding)) == without_notes(expected)


def without_notes(text: str) -> str:
    """Nor the spaces around them."""
    return re.sub(r"[ \t]+(?=\r?\n|$)", "", re.sub(r"# truetune: [^#\r\n]*", "", text))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=config_files())
def test_write_and_undo_give_the_same_bytes_back(file: Generated, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("config") / "config.py"
    before = file.render(file.codes)
    path.write_bytes(before)
    backup = plan_patch(path, file.values, comment="study trial 7").write()
    if backup is not None:
        assert backup.read_bytes() == before
        undo(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["config.py"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(INTS, min_size=1, max_size=5),
    st.lists(INTS, min_size=1, max_size=5),
    st.sampled_from(["[]", "()", "bare"]),
    st.sampled_from(["one line", "one each", "one each, comments", "hanging"]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_lists_and_tuples(
    old: list[int], new: list[int], brackets: str, layout: str, has_last_comma: bool, newline: str
) -> None:
    if brackets == "bare":
        layout = "one line"
    code = sequence(old, brackets, layout, has_last_comma)
    text = f"A = 1\nX = {code}  # end\nB = 2\n".replace("\n", newline)
    patch = plan_patch(config_text(text.encode()), {"X": new}, comment="study trial 7")
    value = parse_config(patch.after).literals()["X"]
    assert value == (new if brackets == "[]" else tuple(new))
    assert bool(patch) is (new != old)
    if len(new) == len(old):
        expected = f"A = 1\nX = {sequence(new, brackets, layout, has_last_comma)}  # end\nB = 2\n"
        assert without_notes(patch.after.text) == expected.replace("\n", newline)
    assert patch.after.text.startswith("A = 1" + newline)
    assert patch.after.text.endswith(newline + "B = 2" + newline)
    assert newline == "\r\n" or "\r" not in patch.after.text


def sequence(values: list[int], brackets: str, layout: str, has_last_comma: bool) -> str:
    is_single_tuple = brackets != "[]" and len(values) == 1
    last = "," if has_last_comma or is_single_tuple else ""
    opening, closing = {"[]": "[]", "()": "()", "bare": ("", "")}[brackets]
    if layout == "one line":
        return f"{opening}{', '.join(map(str, values))}{last}{closing}"
    if layout == "hanging":
        return f"{opening}{(',' + chr(10) + '     ').join(map(str, values))}{last}{closing}"
    note = "  # block" if "comments" in layout else ""
    rows = [f"    {v}{',' if i < len(values) - 1 else last}{note}" for i, v in enumerate(values)]
    return "\n".join([opening, *rows, closing])
