"""A config file as text that can be edited and put back byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

NEWLINE = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class ConfigText:
    """One decoded config file.

    Attributes:
        name: how messages call the file.
        text: the source with its own line ends, without a byte order mark.
        encoding: of the text, without a byte order mark.
        mark: the byte order mark, or nothing.
        suffix: of the file's name; it decides which language the text is read as.
    """

    name: str
    text: str
    encoding: str
    mark: bytes = b""
    suffix: str = ".py"

    @property
    def raw(self) -> bytes:
        """The file's bytes."""
        return self.encode(self.text)

    def encode(self, text: str) -> bytes:
        """`text` as this file would hold it."""
        return self.mark + text.encode(self.encoding)

    def can_encode(self, text: str) -> bool:
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


@dataclass(frozen=True)
class Edit:
    """Replace the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """`text` with all of `edits`, which do not overlap; equal ones count once, and of two at one place the first comes
    first."""
    in_order = sorted(dict.fromkeys(edits), key=lambda edit: (edit.start, edit.end))
    for edit in reversed(in_order):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def line_starts(text: str) -> list[int]:
    """Offset of the first character of each line, as libcst counts lines."""
    return [0, *(match.end() for match in NEWLINE.finditer(text))]


def split_lines(text: str) -> list[str]:
    """Lines without their ends; form feeds and other exotic separators end no line."""
    lines = NEWLINE.split(text)
    return lines[:-1] if lines[-1] == "" else lines
