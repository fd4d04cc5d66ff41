"""The text of a YAML file."""

from __future__ import annotations

import codecs
import re

from truetune.config.text import ConfigText, line_starts
from truetune.errors import ConfigError

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")
"""They end a line in YAML 1.1 and not in 1.2."""


MOST_BYTES = 2**20
"""A file of this size takes some seconds; no config is as large."""


def decode_yaml(raw: bytes, name: str, suffix: str) -> ConfigText:
    """Decode as YAML requires: by the byte order mark, else UTF-8.

    Raises:
        ConfigError: it is in another encoding, has characters that end a line for some readers only, or is huge.
    """
    if len(raw) > MOST_BYTES:
        raise ConfigError(
            f"{name} has more than {MOST_BYTES // 2**20} MiB. Expected a config file that a person could read; give "
            "another file."
        )
    mark = next((mark for mark in _MARKS if raw.startswith(mark)), b"")
    encoding = _MARKS.get(mark, "utf-8")
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: len(mark) + error.start].count(b"\n") + 1
        raise ConfigError(
            f"{name} line {line} is not encoded as {encoding}, in which YAML is written: {error.reason}. "
            "Save it as UTF-8."
        ) from error
    odd = _ODD_BREAKS.search(text)
    if odd is not None:
        raise ConfigError(
            f"{name} line {line_of(text, odd.start())} has the character U+{ord(odd.group()):04X}, which ends a line "
            "for some readers of YAML only. Remove it, or write it as an escape in double quotes."
        )
    return ConfigText(name, text, encoding, mark, suffix)


def line_of(text: str, offset: int) -> int:
    """The line, from 1, of a character."""
    return len(line_starts(text[:offset]))
