"""What one scalar means to PyYAML, which reads YAML 1.1, and to readers of YAML 1.2.

https://yaml.org/spec/1.2.2/#103-core-schema, https://yaml.org/type/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from truetune.config.yaml.nodes import ScalarNode

_STANDARD = "tag:yaml.org,2002:"
_TYPES: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "null": type(None)}

_RUAMEL_ONLY = re.compile(
    r"[-+]?(0o[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*([.][0-9_]*)?([eE][-+]?[0-9]+)?|[.][0-9_]+([eE][-+][0-9]+)?)"
    r"|[-+][0-9_]+"
)
"""What ruamel.yaml takes for a number though neither version of YAML does: `1_0e5`, `-0o17`, `._`."""

DATE: Any = object()
"""A date or a time, which no hyperparameter can be."""

_CORE: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)
"""How YAML 1.2 reads a plain scalar; what matches nothing is text."""

_PYYAML: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"yes|Yes|YES|true|True|TRUE|on|On|ON"), lambda text: True),
    (re.compile(r"no|No|NO|false|False|FALSE|off|Off|OFF"), lambda text: False),
    (re.compile(r"[-+]?0b[01_]+"), lambda text: int(_digits(text), 2)),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]+"), lambda text: int(_digits(text), 16)),
    (re.compile(r"[-+]?0[0-7_]+"), lambda text: int(_digits(text), 8)),
    (re.compile(r"[-+]?(0|[1-9][0-9_]*)"), lambda text: int(_digits(text))),
    (re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+"), lambda text: int(_sexagesimal(text))),
    (re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?"), lambda text: float(_digits(text))),
    (re.compile(r"\.[0-9][0-9_]*([eE][-+][0-9]+)?"), lambda text: float(_digits(text))),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*"), lambda text: _sexagesimal(text)),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), lambda text: DATE),
    (
        re.compile(
            r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?"
            r"([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?"
        ),
        lambda text: DATE,
    ),
)
"""How PyYAML reads a plain scalar, by the types of YAML 1.1; what matches nothing is text. A test compares."""


@dataclass(frozen=True)
class Reading:
    """What a scalar means; `problem`, `locked`, `doubt` and `clear` as in `Assignment`."""

    value: Any = None
    problem: str = ""
    locked: str = ""
    doubt: str = ""
    clear: str = ""


def read_scalar(node: ScalarNode) -> Reading:
    """The value of a scalar, as far as its readers agree."""
    if node.style in ("|", ">"):
        return Reading(node.text, locked=f"is a block scalar ({node.style})")
    if is_filled_in(node.text):
        return Reading(problem=f"is `{_short(node.text)}`, which something else fills in")
    if node.tag not in (None, "!"):
        return _tagged(node)
    if node.style or node.tag == "!":
        return Reading(node.text)
    return read_plain(node.text)


def read_plain(text: str) -> Reading:
    """The value of a plain scalar.

    Where YAML 1.1 and 1.2 differ, PyYAML's reading counts, but for numbers that are text to it (`1e-3`); the doubt
    names both. Two different numbers (`010`), times and dates are nothing that can be read.
    """
    try:
        first = as_pyyaml_reads(text)
        second = _read_1_2(text)
    except ValueError:
        return Reading(problem=f"is `{_short(text)}`, which PyYAML cannot read")
    if type(first) is type(second) and (first == second or first != first):
        if isinstance(first, str) and _RUAMEL_ONLY.fullmatch(text):
            return Reading(problem=f"is `{_short(text)}`, which is text to PyYAML and a number to ruamel.yaml")
        return Reading(first)
    differ = f"is `{_short(text)}`, which is {_said(first)} to PyYAML (YAML 1.1) and {_said(second)} to YAML 1.2"
    if isinstance(first, str):
        return Reading(second, doubt=differ, clear=_clear(second, text))
    if isinstance(second, str) and isinstance(first, (bool, int, float)) and ":" not in text:
        return Reading(first, doubt=differ, clear=_clear(first, text))
    return Reading(problem=differ)


def write_float(value: float) -> str:
    """With a point and a signed exponent: PyYAML reads `5e-05` as text."""
    mantissa, e, exponent = repr(value).partition("e")
    return mantissa + (".0" if "." not in mantissa and mantissa.lstrip("-").isdigit() else "") + e + exponent


def _clear(value: Any, text: str) -> str:
    """Both ways to write what is text to one reader only."""
    number = write_float(value) if isinstance(value, float) else str(value).lower()
    return f"Write {number}, or '{text}' in quotes for text"


def is_filled_in(text: str) -> bool:
    """Whether text is an interpolation of OmegaConf's, or a template: what it stands for is not known here."""
    return "${" in text or "{{" in text


def shown_tag(tag: str) -> str:
    """As people write it: `!!float`."""
    return f"!!{tag.removeprefix(_STANDARD)}" if tag.startswith(_STANDARD) else tag


def is_standard(tag: str) -> bool:
    """Whether it is a tag of YAML's own, or one of Python's objects."""
    return tag.startswith(_STANDARD)


def _tagged(node: ScalarNode) -> Reading:
    """`!!float 1e-3` is a float to all; other tags have a meaning of their own."""
    assert node.tag is not None
    kind = node.tag.removeprefix(_STANDARD)
    wrong = Reading(problem=f"has the tag {shown_tag(node.tag)}")
    if not is_standard(node.tag) or kind not in _TYPES:
        return wrong
    if node.start == node.end:
        return Reading(locked=f"has the tag {shown_tag(node.tag)} and no value")
    if kind == "str":
        return Reading(node.text)
    plain = read_plain(node.text)
    value = float(plain.value) if kind == "float" and type(plain.value) is int else plain.value
    return wrong if plain.problem or type(value) is not _TYPES[kind] else Reading(value)


def as_pyyaml_reads(text: str) -> Any:
    """The value of a plain scalar, `DATE` for a date or time. Raises ValueError: PyYAML raises one."""
    if text == "=":
        raise ValueError("YAML 1.1 has a type for it, and PyYAML no value")
    return next((make(text) for pattern, make in _PYYAML if pattern.fullmatch(text)), text)


def _read_1_2(text: str) -> Any:
    return next((make(text) for pattern, make in _CORE if pattern.fullmatch(text)), text)


def _digits(text: str) -> str:
    return text.replace("_", "")


def _sexagesimal(text: str) -> float:
    """`1:30` is 90, `1:30.5` is 90.5."""
    digits = _digits(text)
    value = 0.0
    for part in digits.lstrip("-+").split(":"):
        value = 60 * value + float(part)
    return -value if digits.startswith("-") else value


def _said(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    return "a date" if value is DATE else repr(value)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else words[:57] + "..."
