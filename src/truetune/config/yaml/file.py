"""A YAML config file: its values, and patches of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from truetune.config.base import TOP, Assignment, ConfigFile, Replaced
from truetune.config.literals import WrongType, fit
from truetune.config.text import ConfigText, Edit, apply_edits
from truetune.config.yaml.assignments import AssignmentFinder
from truetune.config.yaml.compare import difference
from truetune.config.yaml.edit import YamlEditor
from truetune.config.yaml.nodes import Document, ScalarNode
from truetune.config.yaml.parsing import parse_document
from truetune.config.yaml.scalars import is_filled_in
from truetune.config.yaml.text import decode_yaml


@dataclass(frozen=True)
class YamlFile(ConfigFile):
    """A parsed YAML file; no object is constructed from it, and the document is never rewritten as a whole."""

    document: Document = field(repr=False)

    top: ClassVar[str] = TOP
    one_value: ClassVar[str] = "value (a number, string, bool, or list of these)"

    @classmethod
    def parse(cls, text: ConfigText) -> YamlFile:
        """Raises ConfigError: it is no YAML, or several documents."""
        document = parse_document(text)
        finder = AssignmentFinder(document, text.name)
        return cls(text, tuple(finder.found), tuple(dict.fromkeys(finder.scopes)), document)

    def fit(self, assignment: Assignment, value: Any) -> Any:
        """A whole number becomes a float where one is wanted: `dropout: 0` is how people write 0.0."""
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and is_filled_in(text):
                raise WrongType(f"would become {text!r}, which programs such as OmegaConf fill in")
        return fit(value, assignment.value, _declared(assignment, value))

    def replace(self, changes: Sequence[tuple[Assignment, Any]], comment: str) -> Replaced:
        editor = YamlEditor(self.text, self.document, comment)
        edits: list[Edit] = [edit for assignment, value in changes for edit in editor.edits(assignment, value)]
        return Replaced(apply_edits(self.text.text, edits), tuple(editor.notes))

    def reparse(self, text: str) -> YamlFile:
        """Raises ConfigError: it would be no YAML any more."""
        return self.parse(decode_yaml(self.text.encode(text), self.text.name, self.text.suffix))

    def compare(self, after: ConfigFile, wanted: Sequence[tuple[Assignment, Any]]) -> str:
        assert isinstance(after, YamlFile)
        values: Mapping[int, Any] = {id(assignment.node): value for assignment, value in wanted}
        return difference(self.document, after.document, values)


def _declared(assignment: Assignment, value: Any) -> str:
    """The type of the key, as in an annotation; empty where its value shows it."""
    node, old = assignment.node, assignment.value
    if isinstance(value, list):
        numbers = isinstance(old, list) and all(type(element) in (int, float) for element in old) and old
        return "list[float]" if numbers and any(type(v) is float and not v.is_integer() for v in value) else ""
    has_tag = isinstance(node, ScalarNode) and node.tag is not None
    return "float" if type(old) is int and type(value) is float and not value.is_integer() and not has_tag else ""
