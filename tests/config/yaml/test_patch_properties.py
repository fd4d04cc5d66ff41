"""A patch changes the scalars it names and not one other byte, on YAML files in the styles that people have."""

from __future__ import annotations

import io
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import ruamel.yaml
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truetune.config.apply import undo
from truetune.config.languages import config_text, parse_config
from truetune.config.patch import plan_patch
from truetune.config.text import ConfigText

COMMENTS = ["", "  # why", " # lr: 0.5", "   ", "  # truetune: old study trial 3", "  # é ü {a: 1}", " #"]
NOISE = [
    "",
    "# key_0: 1, a comment",
    "      # an indented comment",
    "other_{n}: 'key_0: 3'",
    'other_{n}: "a \\u00e9 \\" # no comment"',
    "other_{n}: |\n  key_0: 5\n\n  # no comment\n",
    "other_{n}: >-\n  folded\n  text\n",
    "other_{n}: a plain text\n  that goes on",
    "other_{n}: &anchor_{n} {{a: 1, b: [2, 3]}}\nagain_{n}: *anchor_{n}",
    "base_{n}: &base_{n}\n  rate: 0.5\nmerged_{n}:\n  <<: *base_{n}\n  more: 1",
    "other_{n}:\n- 1\n- name: x\n  size: 2\n-\n  - deep",
    "other_{n}: ${{oc.env:HOME}}/data",
    "other_{n}: !local 3",
    "other_{n}: 2024-01-01",
    "? other_{n}\n: 1",
    "other_{n}: [1,\n  2, # two\n  3]",
    "other_{n}: " + "long " * 40,
    "'other {n}': 1:30",
    "{n}: an integer key",
    "on_{n}: yes",
]
ODD: dict[str, Any] = {
    "1_000": 1000, "0x10": 16, "1e-3": 0.001, "1.50": 1.5, "00": 0, "+2": 2, "-1e5": -1e5, "5.": 5.0, ".5": 0.5,
    "-.5": -0.5, "1E3": 1e3, "0o17": 15, "yes": True, "Off": False, "TRUE": True, ".inf": float("inf"),
    "!!float 1e-3": 0.001, "!!int 3": 3, "&free 3": 3, "!!str 3": "3", "08": 8,
}  # fmt: skip
"""Spellings and what they mean; those that readers differ about may be written anew even where the value stays."""


@dataclass(frozen=True)
class Generated:
    """`template` has the code of value i where it says `\0i\0`."""

    template: str
    paths: tuple[str, ...]
    old: tuple[Any, ...]
    codes: tuple[str, ...]
    new: tuple[Any, ...]
    mark: bytes
    encoding: str

    def render(self, codes: tuple[str, ...]) -> bytes:
        text = re.sub("\0(\\d+)\0", lambda match: codes[int(match[1])], self.template)
        return self.mark + text.encode(self.encoding)

    @property
    def source(self) -> ConfigText:
        return config_text(self.render(self.codes), "config.yaml")

    @property
    def values(self) -> dict[str, Any]:
        return dict(zip(self.paths, self.new, strict=True))


WORDS = st.text(string.ascii_letters + string.digits + " _-#:'\"{}[],&*!|>%@`é\t\n\u2028", max_size=8).filter(
    lambda text: "{{" not in text
)
PLAIN_WORDS = st.from_regex(r"[a-df-z][a-z]{2,6}( [a-z]{2,5})?", fullmatch=True).filter(
    lambda text: isinstance(yaml.safe_load(text), str)
)
TRAPS = st.sampled_from(
    ["#", "~", "-", "?", "=", "%", "`", "y", "|", "é", "yes", "on", "No", "null", "true", "1.0", "1e-3", "0x1", "1:30",
     "2024-01-01", ".5", "a: b", "- x", "", " x", "<<", "@a", "x #y", "*a", "---", "...", "a,b", "[1]", "!x", "&a"]
)  # fmt: skip
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(10**6), 10**6)
NULLS = ["~", "null", "Null", ""]


@st.composite
def scalar(draw: Any) -> tuple[Any, str, Any]:
    """(old value, its code, new value) of one type."""
    kind = draw(st.sampled_from(["int", "float", "bool", "str", "null", "odd", "widened"]))
    if kind == "odd":
        code = draw(st.sampled_from(sorted(ODD)))
        old = ODD[code]
        strategy: Any = {bool: st.booleans(), int: INTS, float: FLOATS, str: WORDS | TRAPS}[type(old)]
        return old, code, draw(strategy)
    if kind == "str":
        old, quote = draw(PLAIN_WORDS), draw(st.sampled_from(["", "'", '"']))
        return old, f"{quote}{old}{quote}", draw(WORDS | TRAPS | PLAIN_WORDS)
    if kind == "null":
        return None, draw(st.sampled_from(NULLS)), draw(FLOATS | INTS | st.booleans() | WORDS | TRAPS)
    if kind == "widened":
        old = draw(INTS)
        return old, str(old), draw(FLOATS.filter(lambda x: not x.is_integer()))
    old = draw({"int": INTS, "float": st.floats(0.01, 1e6), "bool": st.booleans()}[kind])
    new = draw({"int": INTS, "float": FLOATS, "bool": st.booleans()}[kind])
    return old, str(old).lower() if kind == "bool" else repr(old), new


@st.composite
def block(draw: Any, keys: list[str], slots: list[str], name: str, has_empty: bool) -> tuple[str, list[str]]:
    """A part of the file with some of the values, and the paths of these."""
    style = draw(st.sampled_from(["top", "nested", "deep", "flow", "flow lines", "json", "list", "flow list", "items"]))
    style = "list" if style == "flow list" and has_empty else style
    comments = [draw(st.sampled_from(COMMENTS)) for _ in keys]
    indent = " " * draw(st.sampled_from([2, 4, 1]))
    quote = draw(st.sampled_from(["", "'", '"']))
    colon = draw(st.sampled_from([":", " :", ":  "]))
    rows = [(f"{quote}{k}{quote}{colon}", s, c) for k, s, c in zip(keys, slots, comments, strict=True)]
    if style == "top":
        return "\n".join(f"{k} {s}{c}" for k, s, c in rows), keys
    if style == "nested":
        lines = [f"{indent}{k} {s}{c}" for k, s, c in rows]
        return "\n".join([f"{name}:{comments[0]}", *lines]), [f"{name}.{k}" for k in keys]
    if style == "deep":
        lines = [f"{indent * 2}{k} {s}{c}" for k, s, c in rows]
        return "\n".join([f"{name}:", f"{indent}inner: # x", *lines]), [f"{name}.inner.{k}" for k in keys]
    if style == "flow":
        return f"{name}: {{ {', '.join(f'{k} {s}' for k, s, _ in rows)} }}{comments[0]}", [f"{name}.{k}" for k in keys]
    if style == "flow lines":
        lines = [f"{indent}{k} {s} ,{c}" for k, s, c in rows]
        return "\n".join([f"{name}: {{", *lines, f"{indent}}}"]), [f"{name}.{k}" for k in keys]
    if style == "json":
        inside = ",".join(f'"{k}": {s}' for k, s in zip(keys, slots, strict=True))
        return f'"{name}": {{{inside}}}', [f"{name}.{k}" for k in keys]
    paths = [f"{name}.{i}" for i in range(len(keys))]
    if style == "list":
        deeper = draw(st.sampled_from(["", indent]))
        return "\n".join([f"{name}:", *(f"{deeper}- {s}{c}" for _, s, c in rows)]), paths
    if style == "flow list":
        return f"{name}: [{', '.join(slots)}]{comments[0]}", paths
    lines = [f"{indent}- {k} {s}{c}\n{indent}  size: 1" for k, s, c in rows]
    return "\n".join([f"{name}:", *lines]), [f"{name}.{i}.{k}" for i, k in enumerate(keys)]


@st.composite
def config_files(draw: Any) -> Generated:
    values = draw(st.lists(scalar(), min_size=1, max_size=8))
    parts = draw(st.sampled_from([[], ["---"], ["# header", "--- # begin"], ["%YAML 1.1", "---"]]))
    parts, paths, start = list(parts), [], 0
    while start < len(values):
        end = min(len(values), start + draw(st.integers(1, 4)))
        for noise in draw(st.lists(st.sampled_from(NOISE), max_size=2)):
            parts.append(noise.format(n=len(parts)))
        numbers = range(start, end)
        keys = [f"key_{i}" for i in numbers]
        text, found = draw(
            block(keys, [f"\0{i}\0" for i in numbers], f"part_{start}", "" in [values[i][1] for i in numbers])
        )
        parts.append(text)
        paths += found
        start = end
    for noise in draw(st.lists(st.sampled_from(NOISE), max_size=2)):
        parts.append(noise.format(n=len(parts)))
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    ending = draw(st.sampled_from(["", newline, f"{newline}...{newline}"]))
    text = "\n".join(parts).replace("\n", newline) + ending
    mark, encoding = draw(st.sampled_from(
        [(b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]
    ))  # fmt: skip
    old, codes, new = zip(*values, strict=True)
    for i in [i for i, code in enumerate(codes) if not code]:
        text = right_behind(text, f"\0{i}\0")
    codes = tuple(code.replace("&free", f"&free{i}") for i, code in enumerate(codes))
    return Generated(text, tuple(paths), old, codes, new, mark, encoding)


def right_behind(text: str, slot: str) -> str:
    """A key without a value gets one right behind its colon or dash."""
    before, after = text.split(slot)
    bare = before.rstrip(" ")
    return bare + slot + before[len(bare) :] + after


def found_by(reader: Any, text: str, path: str) -> Any:
    value = reader(text)
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


class LenientLoader(yaml.SafeLoader):
    """With the one tag of the noise."""


LenientLoader.add_constructor("!local", lambda loader, node: node.value)


def pyyaml(text: str) -> Any:
    return yaml.load(text, Loader=LenientLoader)


def ruamel_yaml(text: str) -> Any:
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.constructor.add_constructor("!local", lambda constructor, node: node.value)
    return reader.load(io.StringIO(text))


def plain(value: Any) -> tuple[type, Any]:
    """Type and value, without ruamel's own classes for spellings."""
    kind = next(kind for kind in (bool, int, float, str) if isinstance(value, kind))
    return kind, kind(value)


slow_generator = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@slow_generator
@given(config_files())
def test_a_patch_changes_its_scalars_and_not_one_other_byte(file: Generated) -> None:
    patch = plan_patch(file.source, file.values)
    written = matched(file, patch.after.text)
    for code, old, new, now in zip(file.codes, file.old, file.new, written, strict=True):
        if type(old) is type(new) and old == new and code not in ODD:
            assert now == code
        assert re.match(r"(!!|&)\S+ ", now + " ").group() if code.startswith(("!!", "&")) else True  # type: ignore[union-attr]
    assert patch.after.raw == file.mark + patch.after.text.encode(file.encoding)


def matched(file: Generated, text: str) -> tuple[str, ...]:
    """What stands in the places of the values, where all else is as it was."""
    literal = [re.escape(part) for part in re.split("\0\\d+\0", file.template)]
    found = re.fullmatch("([^\r\n]*?)".join(literal), text)
    assert found, (file.render(file.codes), text)
    return found.groups()


@slow_generator
@given(config_files())
def test_pyyaml_and_ruamel_read_the_new_values_with_their_types(file: Generated) -> None:
    patch = plan_patch(file.source, file.values, comment="study trial 7")
    for reader in (pyyaml, ruamel_yaml):
        for path, old, new in zip(file.paths, file.old, file.new, strict=True):
            expected = float(new) if type(old) is float else new
            assert plain(found_by(reader, patch.after.text, path)) == plain(expected), (reader, path)


@slow_generator
@given(config_files())
def test_pyyaml_and_ruamel_read_all_other_values_as_before(file: Generated) -> None:
    after = plan_patch(file.source, file.values, comment="study trial 7").after.text
    for reader in (pyyaml, ruamel_yaml):
        before, now = (list(leaves(reader(text), file.paths)) for text in (file.source.text, after))
        assert now == before


def leaves(value: Any, left_out: tuple[str, ...], path: str = "") -> Iterator[tuple[str, str]]:
    """Path, and type and value, of what is in a document; in its order."""
    if path in left_out:
        yield path, ""
    elif isinstance(value, (dict, list)):
        yield path, f"{len(value)} values"
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, left_out, f"{path}.{key}" if path else str(key))
    else:
        yield path, repr(value)


@slow_generator
@given(config_files())
def test_a_second_patch_changes_nothing(file: Generated) -> None:
    once = plan_patch(file.source, file.values, comment="study trial 7")
    again = plan_patch(once.after, file.values, comment="study trial 8")
    assert not again
    assert again.after == once.after
    assert {**parse_config(once.after).literals(required=file.paths)}.items() >= file.values.items()


@slow_generator
@given(config_files())
def test_what_is_no_value_of_ours_survives_comments_too(file: Generated) -> None:
    bare, noted = plan_patch(file.source, file.values), plan_patch(file.source, file.values, comment="study trial 7")
    assert without_notes(noted.after.text) == without_notes(bare.after.text)
    there = plan_patch(noted.after, {path: other(new) for path, new in file.values.items()}, comment="second trial 2")
    assert without_notes(there.after.text).count("\n") == without_notes(bare.after.text).count("\n")
    assert all(line.count("# truetune:") <= 1 for line in re.split(r"\r\n?|\n", there.after.text))


def other(value: Any) -> Any:
    return not value if isinstance(value, bool) else f"{value}x" if isinstance(value, str) else value + 1


def without_notes(text: str) -> str:
    """Nor the spaces around them."""
    return re.sub(r"[ \t]+(?=\r|\n|$)", "", re.sub(r"# truetune: [^#\r\n]*", "", text))


@slow_generator
@given(file=config_files())
def test_write_and_undo_give_the_same_bytes_back(file: Generated, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("config") / "config.yml"
    before = file.render(file.codes)
    path.write_bytes(before)
    backup = plan_patch(path, file.values, comment="study trial 7").write()
    if backup is not None:
        assert backup.read_bytes() == before
        undo(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["config.yml"]


LISTS = st.lists(INTS, min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    LISTS,
    LISTS | st.lists(FLOATS.filter(lambda x: not x.is_integer()), min_size=1, max_size=5),
    st.sampled_from(["[]", "[] lines", "[] last comma", "block", "block, not indented", "block, comments"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_lists_of_any_length(old: list[int], new: list[Any], layout: str, newline: str, is_last: bool) -> None:
    after = "" if is_last else f"{newline}b: 2{newline}"
    text = f"a: 1\nx: {sequence(old, layout)}".replace("\n", newline) + after
    patch = plan_patch(config_text(text.encode(), "c.yaml"), {"x": new}, comment="study trial 7")
    for reader in (pyyaml, ruamel_yaml):
        read = reader(patch.after.text)
        assert [plain(v) for v in read["x"]] == [plain(v) for v in new]
        assert [*read] == [*reader(text)]
    assert bool(patch) is (new != old)
    assert patch.after.text.startswith(f"a: 1{newline}x:")
    assert patch.after.text.endswith(after)
    assert newline == "\r\n" or "\r" not in patch.after.text
    assert not re.search(r"(?<!\r)\n", patch.after.text) or newline == "\n"
    if len(new) == len(old) and all(type(v) is int for v in new):
        expected = f"a: 1\nx: {sequence(new, layout)}".replace("\n", newline) + after
        assert without_notes(patch.after.text) == without_notes(expected)


def sequence(values: list[int], layout: str) -> str:
    if layout == "[]":
        return f"[{', '.join(map(str, values))}]"
    if layout == "[] last comma":
        return f"[ {', '.join(map(str, values))}, ]"
    if layout == "[] lines":
        return "[\n" + "".join(f"  {v},  # n\n" for v in values) + "  ]"
    indent = "" if "not indented" in layout else "  "
    note = "  # block" if "comments" in layout else ""
    return "\n" + "\n".join(f"{indent}- {v}{note}" for v in values)
