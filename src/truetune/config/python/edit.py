"""The text edits behind a patch of a Python file: which characters are replaced by what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst

from truetune.config.base import Assignment
from truetune.config.literals import same
from truetune.config.origin_note import note_edit
from truetune.config.python.source import PythonSource
from truetune.config.python.writing import write_literal
from truetune.config.text import NEWLINE, Edit, line_starts
from truetune.space import Value


class Editor:
    """Makes edits for one parsed file."""

    def __init__(self, source: PythonSource) -> None:
        self._source = source
        self._text = source.text.text
        self._starts = line_starts(self._text)
        self._line_ends = _LineEnds.of(source)

    def value_edits(self, assignment: Assignment, value: Any) -> list[Edit]:
        """Edits that turn the literal of `assignment` into `value`, of the same kind (see `literals.fit`)."""
        node = assignment.node
        assert node is not None
        if not isinstance(value, (list, tuple)):
            return [self._replace(node, value)]
        assert isinstance(node, (cst.List, cst.Tuple))
        elements = [element.value for element in node.elements]
        if len(elements) == len(value):
            old = assignment.value
            return [self._replace(e, v) for e, v, o in zip(elements, value, old, strict=True) if not same(v, o)]
        return [self._replace_elements(node, value)]

    def comment_edits(self, assignment: Assignment, comment: str) -> list[Edit]:
        """Edits that leave `# truetune: comment` at the end of the line on which the value ends.

        Nothing where a line cannot end in a comment (before a backslash, inside a string).
        """
        assert assignment.node is not None
        line = self._source.range_of(assignment.node).end.line
        ending = self._line_ends.get(line)
        if ending is None:
            return []
        start, end = (self._starts[line - 1] + column for column in ending)
        return [note_edit(self._source.text, start, end, comment)]

    def loses_comments(self, assignment: Assignment, value: Any) -> bool:
        """Whether replacing the elements drops comments that stand between them."""
        node = assignment.node
        if not isinstance(node, (cst.List, cst.Tuple)) or len(node.elements) in (0, len(value)):
            return False
        start, end = self._inner_span(node)
        return "#" in self._text[start:end]

    def _replace(self, node: cst.BaseExpression, value: Value) -> Edit:
        start, end = self._span(node)
        return Edit(start, end, write_literal(value, self._text[start:end], self._source.text.can_encode))

    def _replace_elements(self, node: cst.List | cst.Tuple, values: Sequence[Value]) -> Edit:
        """All elements anew, one a line where they did not stand on one line; brackets and the last comma stay."""
        if not node.elements:
            return self._fill_empty(node, values)
        start, end = self._inner_span(node)
        sample = self._text[slice(*self._span(node.elements[0].value))]
        separator = self._separator(start, end)
        text = separator.join(write_literal(v, sample, self._source.text.can_encode) for v in values)
        if isinstance(node, cst.Tuple) and len(values) == 1 and not isinstance(node.elements[-1].comma, cst.Comma):
            text += ","
        return Edit(start, end, text)

    def _fill_empty(self, node: cst.List | cst.Tuple, values: Sequence[Value]) -> Edit:
        start, end = self._span(node)
        inner = ", ".join(write_literal(v, "", self._source.text.can_encode) for v in values)
        if isinstance(node, cst.List):
            return Edit(start, end, f"[{inner}]")
        return Edit(start, end, inner + "," if len(values) == 1 else inner)

    def _separator(self, start: int, end: int) -> str:
        newline = NEWLINE.search(self._text, start, end)
        if newline is None:
            return ", "
        line = self._text[newline.end() :]
        return "," + newline.group() + line[: len(line) - len(line.lstrip(" \t"))]

    def _inner_span(self, node: cst.List | cst.Tuple) -> tuple[int, int]:
        return self._span(node.elements[0].value)[0], self._span(node.elements[-1].value)[1]

    def _span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Of the node without the parentheses around it."""
        found = self._source.range_of(node)
        return (
            self._starts[found.start.line - 1] + found.start.column,
            self._starts[found.end.line - 1] + found.end.column,
        )


class _LineEnds(cst.CSTVisitor):
    """Line → (first, last) column of its trailing whitespace and comment, for lines that may end in a comment."""

    def __init__(self, source: PythonSource) -> None:
        super().__init__()
        self.found: dict[int, tuple[int, int]] = {}
        self._source = source

    @classmethod
    def of(cls, source: PythonSource) -> dict[int, tuple[int, int]]:
        visitor = cls(source)
        source.module.visit(visitor)
        return visitor.found

    def visit_TrailingWhitespace(self, node: cst.TrailingWhitespace) -> None:
        start = self._source.range_of(node).start
        length = len(node.whitespace.value) + (len(node.comment.value) if node.comment is not None else 0)
        self.found[start.line] = (start.column, start.column + length)
