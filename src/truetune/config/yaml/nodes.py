"""The nodes of a YAML document and where they stand in its text; `parsing` makes them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from truetune.config.text import NEWLINE


@dataclass(frozen=True, eq=False)
class Node:
    """What stands at one place.

    Attributes:
        begin, end: offsets of it, with its tag and anchor.
        tag: its explicit tag in full, or None.
        anchor: its name, or None.
    """

    begin: int
    end: int
    tag: str | None
    anchor: str | None


@dataclass(frozen=True, eq=False)
class ScalarNode(Node):
    """One value.

    Attributes:
        text: its characters, unquoted.
        style: "" for a plain one, or one of `'`, `"`, `|`, `>`.
        start: offset behind its tag and anchor.
    """

    text: str
    style: str
    start: int


@dataclass(frozen=True, eq=False)
class SequenceNode(Node):
    """A list; `is_flow`: in brackets."""

    is_flow: bool
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class MappingNode(Node):
    """Pairs of key and value, in their order; `is_flow`: in braces."""

    is_flow: bool
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class AliasNode(Node):
    """`*anchor`, which stands for `target`."""

    target: Node


@dataclass(frozen=True)
class Document:
    """A parsed document.

    Attributes:
        text: its text.
        root: None where there is nothing but comments.
        aliases: of each node that has some, by the node's `id`.
        line_starts: offset of the first character of each line.
        spans: start and end of each token that is not empty, in order.
    """

    text: str
    root: Node | None
    aliases: dict[int, list[AliasNode]]
    line_starts: list[int] = field(repr=False)
    spans: list[tuple[int, int]] = field(repr=False)

    def line(self, offset: int) -> int:
        """The line, from 1, of a character."""
        return bisect_right(self.line_starts, offset)

    def line_start(self, offset: int) -> int:
        """Offset of the first character of a character's line."""
        return self.line_starts[self.line(offset) - 1]

    def line_end(self, offset: int) -> int:
        """Offset of the end of a character's line, before its line break."""
        newline = NEWLINE.search(self.text, offset)
        return len(self.text) if newline is None else newline.start()

    def is_behind_indicator(self, offset: int) -> bool:
        """Whether the `:` of a key, or the `-` of a list, ends at `offset`."""
        at = bisect_right(self.spans, (offset - 1, offset)) - 1
        return at >= 0 and self.spans[at] == (offset - 1, offset) and self.text[offset - 1] in ":-"

    def tail(self, offset: int) -> tuple[int, int] | None:
        """Start and end of what follows the last token of a character's line: spaces and a comment, or nothing.

        None where that token goes on in the next line.
        """
        end = self.line_end(offset)
        last = bisect_right(self.spans, (end, -1)) - 1
        start = self.spans[last][1]
        return None if start > end else (start, end)
