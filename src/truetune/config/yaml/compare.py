"""Whether a patched document differs from the one before in more than the values that were wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from truetune.config.literals import same
from truetune.config.yaml.nodes import AliasNode, Document, MappingNode, Node, ScalarNode, SequenceNode
from truetune.config.yaml.scalars import read_scalar


def difference(before: Document, after: Document, wanted: Mapping[int, Any]) -> str:
    """The first difference, as the second half of "the patch would …"; empty where there is none.

    Args:
        before, after: the documents.
        wanted: new values, by the `id` of nodes in `before`.
    """
    if before.root is None or after.root is None:
        return "" if before.root is after.root else "change the whole document"
    return _Comparison(after, wanted).of(before.root, after.root)


class _Comparison:
    def __init__(self, after: Document, wanted: Mapping[int, Any]) -> None:
        self._after = after
        self._wanted = wanted

    def of(self, old: Node, new: Node) -> str:
        place = f"in line {self._after.line(new.begin)}"
        if (type(old), old.tag, old.anchor) != (type(new), new.tag, new.anchor):
            return f"put something else {place}"
        if id(old) in self._wanted:
            return self._value(new, self._wanted[id(old)], place)
        if isinstance(old, ScalarNode) and isinstance(new, ScalarNode):
            return "" if (old.text, old.style) == (new.text, new.style) else f"change {old.text!r} {place}"
        pairs = zip(_children(old), _children(new), strict=False)
        if len(_children(old)) != len(_children(new)) or _is_flow(old) != _is_flow(new):
            return f"change the layout {place}"
        return next((found for pair in pairs if (found := self.of(*pair))), "")

    def _value(self, new: Node, value: Any, place: str) -> str:
        """What stands there now must be the wanted value, to all readers."""
        nodes = new.items if isinstance(new, SequenceNode) else [new]
        values = value if isinstance(new, SequenceNode) else [value]
        targets = [node.target if isinstance(node, AliasNode) else node for node in nodes]
        readings = [read_scalar(node) for node in targets if isinstance(node, ScalarNode)]
        found = [reading.value for reading in readings]
        is_clear = not any(reading.problem or reading.doubt for reading in readings)
        if is_clear and len(found) == len(nodes) and same(found, values):
            return ""
        return f"give {place} the value {found!r} instead of {values!r}"


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [child for pair in node.pairs for child in pair]
    return node.items if isinstance(node, SequenceNode) else []


def _is_flow(node: Node) -> bool:
    return isinstance(node, (SequenceNode, MappingNode)) and node.is_flow
