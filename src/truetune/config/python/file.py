"""A Python config file: its constants, and patches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from truetune.config.base import MODULE, Assignment, ConfigFile, Replaced
from truetune.config.literals import fit, same
from truetune.config.python.edit import Editor
from truetune.config.python.source import PythonSource, parse_source
from truetune.config.python.text import decode_python
from truetune.config.text import ConfigText, Edit, apply_edits


@dataclass(frozen=True)
class PythonFile(ConfigFile):
    """A parsed Python file, read as source: nothing in it is imported or run."""

    source: PythonSource = field(repr=False)

    top: ClassVar[str] = MODULE
    one_value: ClassVar[str] = "literal (a number, string, bool, list or tuple)"

    @classmethod
    def parse(cls, text: ConfigText) -> PythonFile:
        """Raises ConfigError: libcst cannot represent the file byte for byte."""
        source = parse_source(text)
        return cls(text, source.assignments, source.scopes, source)

    def fit(self, assignment: Assignment, value: Any) -> Any:
        return fit(value, assignment.value, assignment.annotation)

    def replace(self, changes: Sequence[tuple[Assignment, Any]], comment: str) -> Replaced:
        editor = Editor(self.source)
        edits: list[Edit] = []
        notes: list[str] = []
        for assignment, value in changes:
            edits += editor.value_edits(assignment, value)
            edits += editor.comment_edits(assignment, comment) if comment else []
            if editor.loses_comments(assignment, value):
                notes.append(
                    f"{assignment.key} gets another number of elements: the comments between them are dropped."
                )
        return Replaced(apply_edits(self.text.text, edits), tuple(notes))

    def reparse(self, text: str) -> PythonFile:
        """Raises ConfigError: Python does not compile it."""
        return self.parse(decode_python(self.text.encode(text), self.text.name, self.text.suffix))

    def compare(self, after: ConfigFile, wanted: Sequence[tuple[Assignment, Any]]) -> str:
        values = {(a.scope, a.key): value for a, value in wanted}
        for old, new in zip(self.assignments, after.assignments, strict=True):
            value = values.get((old.scope, old.key), old.value)
            # Dicts are compared entry by entry: their entries are assignments of their own.
            is_as_planned = isinstance(value, dict) or same(value, new.value)
            if (old.scope, old.key) != (new.scope, new.key) or not is_as_planned:
                return f"give {new.key} in {new.place} the value {new.value!r} instead of {value!r}"
        return ""
