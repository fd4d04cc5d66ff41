"""How a value is written in YAML, so that readers of 1.1 and 1.2 find the same."""

from __future__ import annotations

import re

from truetune.config.yaml.scalars import read_plain, write_float
from truetune.space import Value

_PLAIN = re.compile(r"[^\W\d][\w./-]*(?: [\w./-]+)*")
"""Text that needs no quotes wherever it stands, unless it is read as something else."""
_ALSO_BOOLEAN = {"y", "n"}
"""To YAML 1.1, though not to PyYAML."""
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def write_scalar(value: Value, old: str = "", style: str = "") -> str:
    """YAML of `value`.

    Args:
        value: a finite number, a bool, or text.
        old: the text that it replaces; a bool keeps its capitals.
        style: the quotes around `old`, which text keeps; "" where it was plain.
    """
    if isinstance(value, bool):
        return _in_case_of(old, "true" if value else "false")
    if isinstance(value, float):
        return write_float(value)
    if isinstance(value, int):
        return str(value)
    return _write_text(value, style)


def _in_case_of(old: str, word: str) -> str:
    if old in ("True", "False"):
        return word.capitalize()
    return word.upper() if old in ("TRUE", "FALSE") else word


def _write_text(text: str, style: str) -> str:
    if not style and _PLAIN.fullmatch(text) and text.lower() not in _ALSO_BOOLEAN and _is_text(text):
        return text
    if style == '"' or not text.isprintable():
        return '"' + "".join(map(_escaped, text)) + '"'
    return "'" + text.replace("'", "''") + "'"


def _is_text(text: str) -> bool:
    reading = read_plain(text)
    return isinstance(reading.value, str) and not reading.doubt


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
