"""How a value is written in Python."""

from __future__ import annotations

from collections.abc import Callable

from truetune.space import Value


def write_literal(value: Value, old_code: str, can_encode: Callable[[str], bool]) -> str:
    """Python source of `value`; a string keeps the quotes of the literal it replaces."""
    if isinstance(value, str):
        return _write_string(value, old_code, can_encode)
    return repr(value)


def _write_string(value: str, old_code: str, can_encode: Callable[[str], bool]) -> str:
    quote = _quote_of(old_code)
    written = "".join(_write_character(c, quote[0], can_encode) for c in value)
    return f"{quote}{written}{quote}"


def _quote_of(old_code: str) -> str:
    """The quotes of a string literal; double ones where `old_code` is something else."""
    body = old_code.lstrip("rRuU")
    if body[:3] in ('"""', "'''"):
        return body[:3]
    return body[0] if body[:1] in ("'", '"') else '"'


def _write_character(character: str, quote: str, can_encode: Callable[[str], bool]) -> str:
    if character in (quote, "\\"):
        return "\\" + character
    if character.isprintable() and can_encode(character):
        return character
    return character.encode("unicode_escape").decode("ascii")
