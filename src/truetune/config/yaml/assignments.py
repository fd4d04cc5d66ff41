"""Every value of a YAML document by its path, also those that come by aliases and merges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from truetune.config.base import TOP, Assignment
from truetune.config.yaml.nodes import AliasNode, Document, MappingNode, Node, ScalarNode, SequenceNode
from truetune.config.yaml.scalars import is_standard, read_scalar, shown_tag
from truetune.errors import ConfigError

_MOST = 100_000
"""Values; aliases of aliases of aliases can stand for more than any computer holds."""
_DEEPEST = 150
_MOST_LISTED = 10
"""Lines in one message."""


@dataclass(frozen=True)
class _Place:
    """How a value comes to its path.

    Attributes:
        line: of its key; for what comes by an alias, that of the alias.
        problem, locked: of all below it, as in `Assignment`.
        is_elsewhere: the value stands in another line, and an alias brings it here.
        is_element: of a list.
    """

    line: int
    problem: str = ""
    locked: str = ""
    is_elsewhere: bool = False
    is_element: bool = False


class AssignmentFinder:
    """Finds the assignments of one document; `scopes` are the paths of its mappings and lists."""

    def __init__(self, document: Document, name: str) -> None:
        self.found: list[Assignment] = []
        self.scopes: list[str] = [TOP]
        self._document = document
        self._name = name
        self._open: list[int] = []
        if document.root is not None:
            self._inside(document.root, (), _Place(1))

    def _entry(self, path: tuple[str, ...], node: Node, place: _Place) -> None:
        place = self._shared(node, place)
        target = node.target if isinstance(node, AliasNode) else node
        if id(target) in self._open:
            self._add(path, target, replace(place, problem="contains itself"))
            return
        if len(path) > _DEEPEST:
            raise ConfigError(
                f"{self._name} line {place.line} is nested more than {_DEEPEST} deep, aliases counted. "
                "Give a flatter file."
            )
        self._add(path, target, place)
        self._inside(target, path, place)

    def _inside(self, node: Node, path: tuple[str, ...], place: _Place) -> None:
        """The values in a collection."""
        if not isinstance(node, (SequenceNode, MappingNode)):
            return
        if path:
            self.scopes.append(".".join(path))
        self._open.append(id(node))
        place = replace(place, problem=place.problem or _problem_of_tag(node, self._document), is_element=False)
        if isinstance(node, SequenceNode):
            self._elements(node, path, place)
        else:
            self._pairs(node, path, place)
        self._open.pop()

    def _elements(self, node: SequenceNode, path: tuple[str, ...], place: _Place) -> None:
        for index, item in enumerate(node.items):
            line = place.line if place.is_elsewhere else self._document.line(item.begin)
            self._entry((*path, str(index)), item, replace(place, line=line, is_element=True))

    def _pairs(self, node: MappingNode, path: tuple[str, ...], place: _Place) -> None:
        own = [(key, name, value) for key, value in node.pairs if (name := _name(key)) and not _is_merge(key)]
        lines: dict[str, list[int]] = {}
        for key, name, _ in own:
            lines.setdefault(name, []).append(self._document.line(key.begin))
        for key, name, value in own:
            line = place.line if place.is_elsewhere else self._document.line(key.begin)
            twice = "" if isinstance(value, ScalarNode) else _twice(name, lines[name])
            self._entry((*path, name), value, replace(place, line=line, problem=place.problem or twice))
        self._merged(node, path, place, {name for _, name, _ in own})

    def _merged(self, node: MappingNode, path: tuple[str, ...], place: _Place, taken: set[str]) -> None:
        """What `<<` brings: the first mapping that has a key wins, after the keys of `node` itself."""
        merges = [(key, value) for key, value in node.pairs if _is_merge(key)]
        problem = place.problem or ("comes from one of several `<<`" if len(merges) > 1 else "")
        for key, value in merges:
            line = place.line if place.is_elsewhere else self._document.line(key.begin)
            for inner, name, target in self._merge_sources(value, set()):
                if name in taken:
                    continue
                taken.add(name)
                where = self._document.line(inner.begin)
                locked = place.locked or f"comes from the merge `<<` in line {line}, and stands in line {where}"
                self._entry((*path, name), target, _Place(line, problem, locked, is_elsewhere=True))

    def _merge_sources(self, node: Node, seen: set[int]) -> Iterator[tuple[Node, str, Node]]:
        """(key, its name, value) of what a `<<` names: a mapping, an alias of one, or a list of these.

        What was `seen` once gives nothing new the second time: the first that has a key wins.
        """
        target = node.target if isinstance(node, AliasNode) else node
        if id(target) in seen:
            return
        seen.add(id(target))
        if isinstance(target, SequenceNode):
            for item in target.items:
                yield from self._merge_sources(item, seen)
        elif isinstance(target, MappingNode):
            for key, value in target.pairs:
                if (name := _name(key)) and not _is_merge(key):
                    yield key, name, value
            for key, value in target.pairs:
                if _is_merge(key):
                    yield from self._merge_sources(value, seen)

    def _shared(self, node: Node, place: _Place) -> _Place:
        """A value with an anchor that is used again, or the alias that uses it, must not be changed at one place."""
        target = node.target if isinstance(node, AliasNode) else node
        aliases = self._document.aliases.get(id(target))
        if not aliases:
            return place
        lines = _listed([self._document.line(alias.begin) for alias in aliases[: _MOST_LISTED + 1]])
        locked = place.locked or (
            f"is shared: the anchor &{target.anchor} of line {self._document.line(target.begin)} is used again in "
            f"line{'s' if len(aliases) > 1 else ''} {lines}"
        )
        return replace(place, locked=locked, is_elsewhere=place.is_elsewhere or isinstance(node, AliasNode))

    def _add(self, path: tuple[str, ...], node: Node, place: _Place) -> None:
        if len(self.found) >= _MOST:
            raise ConfigError(f"{self._name} has more than {_MOST} values, aliases counted. Give a smaller file.")
        scope = ".".join(path[:-1]) or TOP
        found = Assignment(
            scope,
            path[-1],
            place.line,
            problem=place.problem,
            locked=place.locked,
            node=node,
            is_element=place.is_element,
        )
        self.found.append(found if place.problem else self._valued(found, node))

    def _valued(self, found: Assignment, node: Node) -> Assignment:
        """With the value of a scalar, or of a list of scalars."""
        if isinstance(node, ScalarNode):
            reading = read_scalar(node)
            locked = found.locked or reading.locked or self._no_room(node)
            found = replace(found, value=reading.value, problem=reading.problem, locked=locked)
            return replace(found, doubt=reading.doubt, clear=reading.clear)
        if isinstance(node, SequenceNode):
            return self._list(found, node)
        return replace(found, problem="is a mapping, not one value")

    def _no_room(self, node: ScalarNode) -> str:
        """A key without a value can be given one behind its colon, or behind the dash of a list."""
        if node.start < node.end or (node.begin == node.start and self._document.is_behind_indicator(node.start)):
            return ""
        return "has no value, and no place for one"

    def _list(self, found: Assignment, node: SequenceNode) -> Assignment:
        if node.tag not in (None, _SEQ):
            return replace(found, problem=f"has the tag {shown_tag(node.tag)}")
        values, locked, doubt, clear = [], found.locked, "", ""
        for item in node.items:
            target = item.target if isinstance(item, AliasNode) else item
            line = self._document.line(item.begin)
            if not isinstance(target, ScalarNode):
                return replace(found, problem=f"is a list with something other than plain values in it (line {line})")
            reading = read_scalar(target)
            if reading.problem:
                return replace(found, problem=f"is a list whose element in line {line} {reading.problem}")
            own = self._shared(item, _Place(line)).locked or reading.locked or self._no_room(target)
            values.append(reading.value)
            locked = locked or (own and f"is a list whose element in line {line} {own}")
            doubt = doubt or (reading.doubt and f"is a list whose element in line {line} {reading.doubt}")
            clear = clear or reading.clear
        return replace(found, value=values, locked=locked, doubt=doubt, clear=clear)


_SEQ = "tag:yaml.org,2002:seq"
_COLLECTIONS = ("tag:yaml.org,2002:map", _SEQ)


def _problem_of_tag(node: Node, document: Document) -> str:
    """YAML's and Python's own tags give what is in a collection another meaning; the user's own are constructors."""
    if node.tag is None or node.tag in _COLLECTIONS or not is_standard(node.tag):
        return ""
    return f"stands under the tag {shown_tag(node.tag)} of line {document.line(node.begin)}"


def _name(key: Node) -> str:
    """As it is spelled; empty for what is no name."""
    target = key.target if isinstance(key, AliasNode) else key
    return target.text if isinstance(target, ScalarNode) else ""


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.text == "<<" and not key.style


def _twice(name: str, lines: list[int]) -> str:
    if len(lines) == 1:
        return ""
    return f"stands under {name}, which is there {len(lines)} times (lines {_listed(lines)})"


def _listed(lines: list[int]) -> str:
    return ", ".join(map(str, lines[:_MOST_LISTED])) + (", …" if len(lines) > _MOST_LISTED else "")
