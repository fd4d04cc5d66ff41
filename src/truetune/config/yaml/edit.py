"""The text edits behind a patch of a YAML file: which characters are replaced by what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from truetune.config.base import Assignment
from truetune.config.literals import same
from truetune.config.origin_note import note_edit, written_note
from truetune.config.text import NEWLINE, ConfigText, Edit
from truetune.config.yaml.nodes import AliasNode, Document, Node, ScalarNode, SequenceNode
from truetune.config.yaml.scalars import read_scalar
from truetune.config.yaml.writing import write_scalar
from truetune.space import Value


class YamlEditor:
    """Makes edits for one parsed file; `notes` is what a person should know about them."""

    def __init__(self, text: ConfigText, document: Document, comment: str) -> None:
        self.notes: list[str] = []
        self._config = text
        self._text = text.text
        self._document = document
        self._comment = comment

    def edits(self, assignment: Assignment, value: Any) -> list[Edit]:
        """Edits that turn a scalar or a list into `value`, and leave a comment where its last line ends."""
        node = assignment.node
        if isinstance(node, ScalarNode):
            return [_scalar_edit(node, value, self._text), *self._comment_edits(node.end)]
        assert isinstance(node, SequenceNode)
        items = [_scalar(item) for item in node.items]
        pairs = zip(items, value, strict=False)
        edits = [_scalar_edit(item, v, self._text) for item, v in pairs if not _holds(item, v)]
        if len(items) == len(value):
            return [*edits, *self._comment_edits(node.end if node.is_flow else items[-1].end)]
        if node.is_flow:
            return [*edits, self._resized_flow(assignment, node, value), *self._comment_edits(node.end)]
        return [*edits, *self._resized_block(assignment, node, value)]

    def _resized_flow(self, assignment: Assignment, node: SequenceNode, value: Sequence[Value]) -> Edit:
        """Elements behind the last one, or the last ones out; brackets and a last comma stay."""
        items = [_scalar(item) for item in node.items]
        new = [write_scalar(v, "", _quotes(items)) for v in value[len(items) :]]
        if not items:
            start = node.begin + self._text[node.begin : node.end].rindex("[") + 1
            return Edit(start, start, ", ".join(new))
        if new:
            separator = self._separator(items)
            return Edit(items[-1].end, items[-1].end, "".join(separator + element for element in new))
        return self._cut(assignment, items[len(value) - 1].end, items[-1].end)

    def _resized_block(self, assignment: Assignment, node: SequenceNode, value: Sequence[Value]) -> list[Edit]:
        """Lines behind the last element's, or the last elements' lines out."""
        items = [_scalar(item) for item in node.items]
        last = self._document.line_end(items[-1].end)
        if len(value) < len(items):
            kept = items[len(value) - 1].end
            return [self._cut(assignment, self._document.line_end(kept), last), *self._comment_edits(kept)]
        new = [write_scalar(v, "", _quotes(items)) for v in value[len(items) :]]
        text = "".join(self._entry_start(items[-1]) + element for element in new)
        return [Edit(last, last, text + (f"  {written_note(self._config, self._comment)}" if self._comment else ""))]

    def _entry_start(self, item: ScalarNode) -> str:
        """A line break, and what stands before an element in its line: `  - `."""
        start = self._document.line_start(item.begin)
        before = self._text[start : item.begin]
        dash = before.rindex("-")
        return self._line_break() + " " * dash + before[dash:]

    def _cut(self, assignment: Assignment, start: int, end: int) -> Edit:
        if "#" in self._text[start:end]:
            self.notes.append(f"{assignment.key} gets fewer elements: the comments beside the others are dropped.")
        return Edit(start, end, "")

    def _separator(self, items: Sequence[ScalarNode]) -> str:
        """What stands between elements: a comma and a space, or a line break with an indentation."""
        newline = NEWLINE.search(self._text, items[0].begin, items[-1].begin)
        if newline is None:
            return ", "
        line = self._text[newline.end() :]
        return "," + newline.group() + line[: len(line) - len(line.lstrip(" "))]

    def _line_break(self) -> str:
        newline = NEWLINE.search(self._text)
        return "\n" if newline is None else newline.group()

    def _comment_edits(self, offset: int) -> list[Edit]:
        """Nothing where the line cannot end in a comment: text goes on in the next one."""
        tail = self._document.tail(offset) if self._comment else None
        return [] if tail is None else [note_edit(self._config, *tail, self._comment)]


def _scalar_edit(node: ScalarNode, value: Value, text: str) -> Edit:
    old = text[node.start : node.end]
    written = write_scalar(value, old, node.style if node.style in ("'", '"') else "")
    return Edit(node.start, node.end, written if old else f" {written}")


def _scalar(item: Node) -> ScalarNode:
    target = item.target if isinstance(item, AliasNode) else item
    assert isinstance(target, ScalarNode)
    return target


def _holds(node: ScalarNode, value: Value) -> bool:
    reading = read_scalar(node)
    return not reading.doubt and same(value, reading.value)


def _quotes(items: Sequence[ScalarNode]) -> str:
    """Of the elements, where all have the same."""
    styles = {item.style for item in items}
    return styles.pop() if len(styles) == 1 else ""
