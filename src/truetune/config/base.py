"""A parsed config file, whatever its language: which keys have which values, and how to give them new ones.

Where a value stands is its *path*: `Training.EPOCHS` in Python, `training.epochs` in YAML. All of a path but the last
part is the value's *scope*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from truetune.config.mapping import loose_key
from truetune.config.text import ConfigText
from truetune.errors import ConfigError

MODULE = "<module>"
"""The scope of what stands at the top level of a Python file."""
TOP = "<top>"
"""The same of a YAML file; either name is understood for both."""
_MOST_LISTED = 30
"""Places in one message."""
_TOP_NAMES = {MODULE: "module level", TOP: "top level"}


@dataclass(frozen=True)
class Assignment:
    """One place that gives a key its value.

    Attributes:
        scope: dotted path; `<module>` or `<top>` at the top level.
        key: the last part of the path: a name, the key of a dict or mapping, the number of a list's element.
        line: of the key, from 1.
        value: the value; None where there is none.
        problem: why it is no value that can be read and replaced; empty where it is one.
        locked: why it can be read but not replaced; empty where it can be.
        doubt: how readers of the language differ about the value; empty where all agree.
        clear: how to write it so that all agree; empty where they do.
        node: what stands there in the parsed file.
        annotation: source of the type it is declared with, or empty.
        is_element: of a list: it is found by its path only.
    """

    scope: str
    key: str
    line: int
    value: Any = None
    problem: str = ""
    locked: str = ""
    doubt: str = ""
    clear: str = ""
    node: Any = field(default=None, compare=False, repr=False)
    annotation: str = ""
    is_element: bool = False

    @property
    def place(self) -> str:
        return f"line {self.line} ({_TOP_NAMES.get(self.scope, self.scope)})"

    @property
    def path(self) -> str:
        """From the top: `Training.EPOCHS`."""
        return self.key if self.scope in _TOP_NAMES else f"{self.scope}.{self.key}"


@dataclass(frozen=True)
class Replaced:
    """A file's text with new values.

    Attributes:
        text: all of it.
        notes: what a person should know about it.
    """

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfigFile(ABC):
    """A parsed config file.

    Attributes:
        text: the file.
        assignments: in the order of the file.
        scopes: every scope that exists, even an empty one.
    """

    text: ConfigText
    assignments: tuple[Assignment, ...]
    scopes: tuple[str, ...]

    top: ClassVar[str]
    """The scope of the top level."""
    one_value: ClassVar[str]
    """What a key should have, for messages."""

    @abstractmethod
    def fit(self, assignment: Assignment, value: Any) -> Any:
        """`value` in the type that the key has. Raises WrongType (`literals`): it cannot be."""

    @abstractmethod
    def replace(self, changes: Sequence[tuple[Assignment, Any]], comment: str) -> Replaced:
        """The text with new values, which `fit`, and not one other byte changed.

        Args:
            changes: what gets which value.
            comment: left at the end of each changed line as `# truetune: comment`; empty leaves none.
        """

    @abstractmethod
    def reparse(self, text: str) -> ConfigFile:
        """The file as it would be with another text. Raises ConfigError: it could not be read."""

    @abstractmethod
    def compare(self, after: ConfigFile, wanted: Sequence[tuple[Assignment, Any]]) -> str:
        """How `after` differs from this file with the `wanted` values; empty where it does not."""

    def find(self, key: str, scope: str | None = None) -> list[Assignment]:
        """Every assignment of `key`.

        A key with dots is a path: from the scope, else from the top; `.key` is one from the top in any case. A key
        without is looked for in the scope itself before what is nested in it, and of these the exact spelling before
        any that differs only in case or has another separator (`/`, `-`, `.`) where the key has `_`.
        """
        return self._at(key, self._top_or(scope)) if "." in key else self._named(key, self._top_or(scope))

    def require(self, key: str, scope: str | None = None) -> Assignment | None:
        """The one value of `key`; None where the file has no such key.

        Raises:
            ConfigError: there are several, or it is no value that can be read; the message lists the places with their
                lines.
        """
        found = self.find(key, scope)
        if not found:
            return None
        if len(found) > 1:
            raise ConfigError(self._ambiguous(key, found))
        if found[0].problem:
            raise self.refusal(found[0], found[0].problem)
        return found[0]

    def doubt(self, assignment: Assignment) -> str:
        """How readers differ about a value, in a sentence without its end."""
        return f"{assignment.key} in {self.text.name}, {assignment.place}, {assignment.doubt}"

    def refusal(self, assignment: Assignment, why: str) -> ConfigError:
        """The error for a key that is not one plain value."""
        return ConfigError(
            f"{assignment.key} in {self.text.name}, {assignment.place}, {why}. "
            f"Expected one plain {self.one_value}: write one, or edit it by hand."
        )

    def literals(self, scope: str | None = None, required: Collection[str] = ()) -> dict[str, Any]:
        """Values by key, as they stand in the file.

        Args:
            scope: only this scope; None reads the whole file. What is nested in it comes as values of its own key and,
                where the scope does not hold the same key itself, as keys of their own.
            required: keys that must be there with exactly one value; other keys that have none, or stand in several
                places, are left out.

        Raises:
            ConfigError: the scope is not there, or a required key is missing or has not one value.
        """
        values = {key: found.value for key, found in self.plain(scope).items()}
        for key in required:
            assignment = self.require(key, scope)
            if assignment is None:
                where = "" if scope is None else f" in {scope}"
                raise ConfigError(f"{self.text.name} has no {key}{where}. Add it, as one {self.one_value}.")
            values.setdefault(key, assignment.value)
        return values

    def plain(self, scope: str | None = None) -> dict[str, Assignment]:
        """Of every key that has exactly one plain value; a key of the scope itself hides those nested in it.

        Raises:
            ConfigError: the scope is not there.
        """
        scope = self._top_or(scope)
        candidates = [a for a in self._within(scope) if not a.is_element]
        direct = [a for a in candidates if a.scope == scope]
        hidden = {loose_key(a.key) for a in direct}
        found: dict[str, list[Assignment]] = {a.key: [] for a in candidates}
        for a in direct:
            found[a.key].append(a)
        for a in candidates:
            if a.scope != scope and loose_key(a.key) not in hidden:
                found[a.key].append(a)
        return {key: places[0] for key, places in found.items() if len(places) == 1 and not places[0].problem}

    def has(self, scope: str | None) -> bool:
        """Whether there is such a scope; the whole file, None, is there always."""
        return scope is None or self._top_or(scope) in self.scopes

    def keys(self, scope: str | None = None) -> list[str]:
        return list(dict.fromkeys(a.key for a in self._within(self._top_or(scope)) if not a.is_element))

    def _at(self, path: str, scope: str | None) -> list[Assignment]:
        """By a path with dots."""
        inside = [] if scope in (None, self.top) or path.startswith(".") else [f"{scope}.{path}"]
        for wanted in (*inside, path.removeprefix(".")):
            exact = [a for a in self.assignments if a.path == wanted]
            found = exact or [a for a in self.assignments if loose_key(a.path) == loose_key(wanted)]
            if found:
                return found
        return [] if path.startswith(".") else _matching(path, self._within(scope))

    def _named(self, key: str, scope: str | None) -> list[Assignment]:
        candidates = [a for a in self._within(scope) if not a.is_element]
        return _matching(key, [a for a in candidates if a.scope == scope]) or _matching(key, candidates)

    def _within(self, scope: str | None) -> list[Assignment]:
        if scope is None:
            return list(self.assignments)
        if scope not in self.scopes:
            known = ", ".join(self.scopes[:_MOST_LISTED])
            raise ConfigError(f"{self.text.name} has no scope '{scope}'. It has: {known}. Pass one of these.")
        inside = () if scope == self.top else (f"{scope}.",)
        return [a for a in self.assignments if a.scope == scope or a.scope.startswith(inside)]

    def _top_or(self, scope: str | None) -> str | None:
        return self.top if scope in _TOP_NAMES else scope

    def _ambiguous(self, key: str, found: list[Assignment]) -> str:
        places = ", ".join(f"{a.key} in {a.place}" for a in found[:_MOST_LISTED])
        scopes = list(dict.fromkeys(a.scope for a in found[:_MOST_LISTED]))
        remedy = "Keep only one"
        if len(scopes) > 1:
            paths = " or ".join(dict.fromkeys(f".{a.path}" for a in found[:_MOST_LISTED]))
            remedy = f"Choose one with scope= (one of: {', '.join(scopes)}), or map its path: {paths}"
        return f"{self.text.name} gives {key} a value {len(found)} times: {places}. Expected exactly one. {remedy}."


def _matching(key: str, assignments: list[Assignment]) -> list[Assignment]:
    exact = [a for a in assignments if a.key == key]
    return exact or [a for a in assignments if loose_key(a.key) == loose_key(key)]
