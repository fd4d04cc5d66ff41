"""Reading a `config.py` as source: nothing in it is imported or run.

Understood are constants of a module, of a class (annotated or not, so dataclass fields too, with
`field(default=…)` or pydantic's `Field(…)`), and entries of a dict literal or `dict(…)` call that is assigned to a
name, nested to any depth. Where a constant stands is its *scope*, a dotted path: `EEGEmotion`, `CONFIG.training`;
`<module>` is the top level. Functions and lambdas are not looked into.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from truetune.config.base import MODULE, Assignment
from truetune.config.text import ConfigText, line_starts
from truetune.errors import ConfigError

_DECLARED = "is declared without a value"


@dataclass(frozen=True)
class PythonSource:
    """A parsed Python file.

    Attributes:
        text: the file.
        assignments: in the order of the file.
        scopes: every scope that exists, even an empty one.
        positions: of nodes in the text.
        module: the tree the nodes belong to.
    """

    text: ConfigText
    assignments: tuple[Assignment, ...]
    scopes: tuple[str, ...]
    positions: Any = field(repr=False)
    module: cst.Module = field(repr=False)

    def range_of(self, node: cst.CSTNode) -> CodeRange:
        position: CodeRange = self.positions[node]
        return position


def parse_source(text: ConfigText) -> PythonSource:
    """Find every constant.

    Raises:
        ConfigError: libcst cannot represent the file byte for byte.
    """
    try:
        module = cst.parse_module(text.text)
    except cst.ParserSyntaxError as error:
        raise ConfigError(f"{text.name} line {error.raw_line} cannot be parsed: {error.message}.") from error
    wrapper = MetadataWrapper(module)
    finder = _Finder(wrapper.module, wrapper.resolve(PositionProvider))
    wrapper.module.visit(finder)
    source = PythonSource(
        text, tuple(finder.assignments), tuple(dict.fromkeys(finder.scopes)), finder.positions, wrapper.module
    )
    _check_positions(source)
    return source


def _check_positions(source: PythonSource) -> None:
    """Positions hold as far as libcst gives the text back: it takes a lone CR for LF, and loses an empty line before
    an indented comment at the very end of a file (harmless: no value comes after it)."""
    code, text = source.module.code, source.text.text
    if code == text:
        return
    last = max((source.range_of(a.node).end.line for a in source.assignments if a.node is not None), default=0)
    end = [*line_starts(text), len(text)][last]
    if code[:end] != text[:end]:
        raise ConfigError(
            f"{source.text.name} cannot be patched byte for byte: it has line ends of old Macs (CR alone) or another "
            "odd layout. Save it with LF or CRLF line ends, or edit it by hand."
        )


class _Finder(cst.CSTVisitor):
    def __init__(self, module: cst.Module, positions: Any) -> None:
        super().__init__()
        self.positions = positions
        self.assignments: list[Assignment] = []
        self.scopes: list[str] = [MODULE]
        self._module = module
        self._path: list[str] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        self._path.append(node.name.value)
        self.scopes.append(_dotted(self._path))
        return True

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        self._path.pop()

    def visit_Assign(self, node: cst.Assign) -> bool:
        targets = [target.target for target in node.targets]
        problem = "shares its value with another name" if len(targets) > 1 else ""
        for target in targets:
            self._bind(target, node.value, problem)
        return False

    def visit_AnnAssign(self, node: cst.AnnAssign) -> bool:
        annotation = self._module.code_for_node(node.annotation.annotation)
        if node.value is not None:
            self._bind(node.target, node.value, annotation=annotation)
        elif isinstance(node.target, cst.Name):
            self._bind(node.target, None, _DECLARED)
        return False

    def visit_AugAssign(self, node: cst.AugAssign) -> bool:
        self._bind(node.target, None, "is changed in place")
        return False

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._bind(node.target, None, "is assigned inside an expression")

    def visit_ImportAlias(self, node: cst.ImportAlias) -> None:
        name = node.asname.name if node.asname is not None else node.name
        if isinstance(name, (cst.Name, cst.Tuple)):
            self._bind(name, None, "is imported")

    def leave_Module(self, original_node: cst.Module) -> None:
        """Forget what is no config: `os.environ["A"] = "1"`, and bare declarations of keys that get a value later."""
        valued = {(a.scope, a.key) for a in self.assignments if a.problem != _DECLARED}
        self.assignments = [
            a
            for a in self.assignments
            if a.scope in self.scopes and (a.problem != _DECLARED or (a.scope, a.key) not in valued)
        ]

    def _bind(
        self, target: cst.BaseExpression, value: cst.BaseExpression | None, problem: str = "", annotation: str = ""
    ) -> None:
        if isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._bind(element.value, None, "is assigned by unpacking")
            return
        path = _path_of(target)
        if path is not None:
            self._add([*self._path, *path], target, value, problem, annotation)

    def _add(
        self, path: list[str], name: cst.CSTNode, value: cst.BaseExpression | None, problem: str, annotation: str = ""
    ) -> None:
        line = self.positions[name].start.line
        scope = _dotted(path[:-1])
        if value is None or problem:
            self.assignments.append(Assignment(scope, path[-1], line, problem=problem))
            return
        node = _default_of_field(value)
        literal, problem = self._literal(node)
        self.assignments.append(Assignment(scope, path[-1], line, literal, problem, node=node, annotation=annotation))
        self._entries(path, node)

    def _literal(self, node: cst.BaseExpression) -> tuple[Any, str]:
        code = self._module.code_for_node(node)
        try:
            value = ast.literal_eval(f"({code}\n)")
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            shown = code if len(code) <= 60 else code[:57] + "..."
            return None, f"is the expression `{' '.join(shown.split())}`, not a literal"
        if not _is_plain(value):
            return None, f"is a {type(value).__name__} literal, which no hyperparameter can be"
        return value, ""

    def _entries(self, path: list[str], node: cst.BaseExpression) -> None:
        """The entries of a dict as constants of their own."""
        entries = list(_dict_entries(node))
        if isinstance(node, cst.Dict) or entries:
            self.scopes.append(_dotted(path))
        starred = [i for i, (key, _, _) in enumerate(entries) if key is None]
        for index, (key, name, value) in enumerate(entries):
            if key is None:
                continue
            later = [entries[i][2] for i in starred if i > index]
            problem = f"may be replaced by `**{self._module.code_for_node(later[0])}` after it" if later else ""
            self._add([*path, key], name, value, problem)


def _dict_entries(node: cst.BaseExpression) -> Iterable[tuple[str | None, cst.CSTNode, cst.BaseExpression]]:
    """(key, node of the key, value) of a dict literal or `dict(…)`; the key is None for `**`."""
    if isinstance(node, cst.Dict):
        for element in node.elements:
            if isinstance(element, cst.StarredDictElement):
                yield None, element, element.value
            elif isinstance(element, cst.DictElement) and (key := _string(element.key)) is not None:
                yield key, element.key, element.value
    elif isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "dict":
        for argument in node.args:
            if argument.keyword is not None:
                yield argument.keyword.value, argument.keyword, argument.value
            elif argument.star == "**":
                yield None, argument, argument.value


def _path_of(target: cst.BaseExpression) -> list[str] | None:
    """`A` → [A]; `A.B` and `A["B"]` → [A, B]; None for anything else."""
    if isinstance(target, cst.Name):
        return [target.value]
    if isinstance(target, cst.Attribute):
        owner, last = _path_of(target.value), target.attr.value
    elif isinstance(target, cst.Subscript) and len(target.slice) == 1:
        index = target.slice[0].slice
        key = _string(index.value) if isinstance(index, cst.Index) else None
        if key is None:
            return None
        owner, last = _path_of(target.value), key
    else:
        return None
    return None if owner is None else [*owner, last]


def _default_of_field(value: cst.BaseExpression) -> cst.BaseExpression:
    """The default inside `field(default=…)`, `field(default_factory=lambda: …)` or `Field(…)`; else `value`."""
    if not isinstance(value, cst.Call):
        return value
    path = _path_of(value.func)
    if path is None or path[-1] not in ("field", "Field"):
        return value
    for argument in value.args:
        keyword = argument.keyword.value if argument.keyword is not None else None
        if keyword == "default" or (keyword is None and not argument.star and path[-1] == "Field"):
            return argument.value
        if keyword == "default_factory" and isinstance(argument.value, cst.Lambda):
            return argument.value.body
    return value


def _string(node: cst.BaseExpression) -> str | None:
    if not isinstance(node, (cst.SimpleString, cst.ConcatenatedString)):
        return None
    value = node.evaluated_value
    return value if isinstance(value, str) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return value is None or isinstance(value, (bool, int, float, str))


def _dotted(path: list[str]) -> str:
    return ".".join(path) or MODULE
