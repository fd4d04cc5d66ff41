"""From the text of a YAML file to its nodes.

ruamel.yaml scans and parses; no object is constructed from a document, and no alias is expanded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, DocumentStartEvent, NodeEvent, ScalarEvent, SequenceStartEvent
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.tokens import (
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    ScalarToken,
)

from truetune.config.text import ConfigText, line_starts
from truetune.config.yaml.nodes import AliasNode, Document, MappingNode, Node, ScalarNode, SequenceNode
from truetune.config.yaml.text import line_of
from truetune.errors import ConfigError

DEEPEST = 100
"""Collections in collections."""
_VERSIONS = ((1, 1), (1, 2))
_OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
_CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)
_MOST_LISTED = 10


def parse_document(text: ConfigText) -> Document:
    """Parse the one document of a file.

    Raises:
        ConfigError: it is no YAML, several documents, or what readers of YAML differ about.
    """
    try:
        tokens = _tokens(text)
        _check_version(text, tokens)
        spans = [(t.start_mark.index, t.end_mark.index) for t in tokens if t.end_mark.index > t.start_mark.index]
        _check_tabs(text, spans)
        events = list(_reader().parse(text.text))
    except YAMLError as error:
        raise ConfigError(f"{text.name}{_where(text, error)}. Correct it first.") from error
    _check_single(text, events)
    composer = _Composer(text, events, tokens, spans)
    root = composer.root()
    _check_mapping(text, root)
    return Document(text.text, root, composer.aliases, line_starts(text.text), spans)


def _reader() -> Any:
    return YAML(typ="safe", pure=True)


def _tokens(text: ConfigText) -> list[Any]:
    """All tokens; scanning ends where it gets too deep, for it gets slower with every level."""
    tokens: list[Any] = []
    depth = 0
    for token in _reader().scan(text.text):
        tokens.append(token)
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > DEEPEST:
            line = line_of(text.text, token.start_mark.index)
            raise ConfigError(f"{text.name} line {line} is nested more than {DEEPEST} deep. Give a flatter file.")
    return tokens


def _where(text: ConfigText, error: YAMLError) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        index = error.problem_mark.index
        is_tab = text.text[index : index + 1] == "\t"
        advice = "; indent and separate with spaces, not with tabs" if is_tab else ""
        return f" line {line_of(text.text, index)} is not valid YAML: {error.problem or error.context}{advice}"
    if isinstance(error, ReaderError):
        line = line_of(text.text, error.position)
        return f" line {line} is not valid YAML: it has the character U+{ord(text.text[error.position]):04X}"
    return f" is not valid YAML: {' '.join(str(error).split())}"


def _check_version(text: ConfigText, tokens: list[Any]) -> None:
    for token in tokens:
        if isinstance(token, DirectiveToken) and token.name == "YAML" and tuple(token.value) not in _VERSIONS:
            line = line_of(text.text, token.start_mark.index)
            raise ConfigError(
                f"{text.name} line {line} declares YAML {'.'.join(map(str, token.value))}. Expected 1.1 or 1.2; "
                "remove the directive or correct it."
            )


def _check_tabs(text: ConfigText, spans: list[tuple[int, int]]) -> None:
    """Refuse tabs between tokens: ruamel.yaml skips them in brackets, where PyYAML refuses the file."""
    if "\t" not in text.text:
        return
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text.text)]
    for end, start in zip(ends, starts, strict=True):
        offset = end
        for line in text.text[end:start].splitlines(keepends=True):
            tab = line.partition("#")[0].find("\t")
            if tab >= 0:
                raise ConfigError(
                    f"{text.name} line {line_of(text.text, offset + tab)} has a tab between its values, which not all "
                    "readers of YAML accept. Indent and separate with spaces."
                )
            offset += len(line)


def _check_single(text: ConfigText, events: list[Any]) -> None:
    """Refuse several documents: which one is meant is not known."""
    starts = [event.start_mark.index for event in events if isinstance(event, DocumentStartEvent)]
    if len(starts) > 1:
        lines = ", ".join(str(line_of(text.text, start)) for start in starts[:_MOST_LISTED])
        raise ConfigError(
            f"{text.name} holds {len(starts)} documents, which begin in lines {lines}. Expected one; split the file."
        )


def _check_mapping(text: ConfigText, root: Node | None) -> None:
    """Refuse a document without keys; one with nothing in it has none yet."""
    if isinstance(root, MappingNode) or root is None or (isinstance(root, ScalarNode) and not root.text):
        return
    kind = "a list" if isinstance(root, SequenceNode) else "one value"
    raise ConfigError(
        f"{text.name} line {line_of(text.text, root.begin)} begins {kind}. Expected keys with values at the top "
        "(`learning_rate: 0.001`); put it under a key."
    )


class _Composer:
    """Makes nodes of events."""

    def __init__(self, text: ConfigText, events: list[Any], tokens: list[Any], spans: list[tuple[int, int]]) -> None:
        self.aliases: dict[int, list[AliasNode]] = {}
        self._text = text
        self._events: Iterator[Any] = iter(events)
        self._starts = {t.end_mark.index: t.start_mark.index for t in tokens if isinstance(t, ScalarToken)}
        self._spans = spans
        self._anchors: dict[str, Node] = {}

    def root(self) -> Node | None:
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                return self._next()
        return None

    def _next(self) -> Node:
        node = self._made(next(self._events))
        assert node is not None
        return node

    def _made(self, event: Any) -> Node | None:
        """The node that begins with an event; None where the event ends a collection."""
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if not isinstance(event, NodeEvent):
            return None
        if isinstance(event, ScalarEvent):
            return self._known(self._scalar(event))
        return self._sequence(event) if isinstance(event, SequenceStartEvent) else self._mapping(event)

    def _scalar(self, event: Any) -> ScalarNode:
        begin, end = _span(event)
        if begin == end and not event.style:
            begin = end = self._behind_last_token(begin)
        start = max(begin, self._starts.get(end, end))
        return ScalarNode(begin, end, event.tag, event.anchor, event.value, event.style or "", start)

    def _behind_last_token(self, offset: int) -> int:
        """Where a value that is missing would stand; the parser's mark may be as late as the next key."""
        last = bisect_right(self._spans, offset, key=lambda span: span[1]) - 1
        return self._spans[last][1] if last >= 0 else offset

    def _alias(self, event: Any) -> AliasNode:
        target = self._anchors.get(event.anchor)
        if target is None:
            line = line_of(self._text.text, event.start_mark.index)
            raise ConfigError(
                f"{self._text.name} line {line} has the alias *{event.anchor}, and no anchor of this name stands "
                "before it. Correct it first."
            )
        alias = AliasNode(*_span(event), None, event.anchor, target)
        self.aliases.setdefault(id(target), []).append(alias)
        return alias

    def _sequence(self, event: Any) -> Node:
        node = SequenceNode(*_span(event), event.tag, event.anchor, bool(event.flow_style))
        self._known(node)
        while (item := self._made(next(self._events))) is not None:
            node.items.append(item)
        return node

    def _mapping(self, event: Any) -> Node:
        node = MappingNode(*_span(event), event.tag, event.anchor, bool(event.flow_style))
        self._known(node)
        while (key := self._made(next(self._events))) is not None:
            node.pairs.append((key, self._next()))
        return node

    def _known(self, node: Node) -> Node:
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        return node


def _span(event: Any) -> tuple[int, int]:
    return event.start_mark.index, event.end_mark.index
