"""Functions, parameters and calls of a package, by `ast` alone: which function a call means, as far as names tell."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
Place = tuple[str, str]
"""(qualified function, parameter)."""


@dataclass
class Module:
    """One file.

    Attributes:
        name: full, e.g. `truetune.study.loop`.
        functions: by name inside the module, e.g. `_Loop.dispatch`.
        classes: likewise.
        imported: what names stand for here, as full names.
    """

    name: str
    tree: ast.Module
    n_lines: int
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._collect(self.tree, "")
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def _collect(self, node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                self.functions[f"{prefix}{child.name}"] = child
                self._collect(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                self.classes[f"{prefix}{child.name}"] = child
                self._collect(child, f"{prefix}{child.name}.")
            else:
                self._collect(child, prefix)

    @property
    def public_names(self) -> int:
        """Functions, classes and values at the top whose names have no underscore in front."""
        names: set[str] = set()
        for node in self.tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                names.add(node.name)
            elif isinstance(node, ast.Assign):
                names |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
        return sum(not name.startswith("_") for name in names)

    def full(self, name: str) -> str:
        """What `name` stands for in this module."""
        return self.imported.get(name, f"{self.name}.{name}")


class Calls:
    """Finds what calls mean: functions of the same module and imported ones, constructors, and methods of objects whose
    class is annotated, is that of `self`, or is the only one with a method of that name.
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self._functions = {f"{name}.{inside}": n for name, m in modules.items() for inside, n in m.functions.items()}
        self._classes = {f"{name}.{inside}" for name, m in modules.items() for inside in m.classes}
        self._methods: dict[str, list[str]] = defaultdict(list)
        for name in self._functions:
            self._methods[name.rpartition(".")[2]].append(name)
        self._fields = {
            f"{name}.{inside}": dict(self._fields_of(module, inside, node))
            for name, module in modules.items()
            for inside, node in module.classes.items()
        }

    def receivers(self, module: Module, inside: str, parameter: str, is_only_passed_on: bool) -> list[Place]:
        """The functions (with their parameters) that function `inside` passes `parameter` to, unchanged; none where it
        does more with it and `is_only_passed_on`.
        """
        body = self._functions[f"{module.name}.{inside}"].body
        nodes = [node for statement in body for node in ast.walk(statement)]
        calls = [n for n in nodes if isinstance(n, ast.Call) and any(_is_name(v, parameter) for v in passed(n))]
        n_passed = sum(_is_name(value, parameter) for call in calls for value in passed(call))
        if is_only_passed_on and n_passed != sum(_is_name(node, parameter) for node in nodes):
            return []
        return [place for call in calls for place in self._receiver(module, inside, call, parameter)]

    def _receiver(self, module: Module, inside: str, call: ast.Call, parameter: str) -> Iterator[Place]:
        name = self._meant(module, inside, call.func)
        if name is None:
            return
        names = parameters(self._functions[name])
        for keyword in call.keywords:
            if _is_name(keyword.value, parameter) and keyword.arg in names:
                yield name, str(keyword.arg)
        for position, argument in enumerate(call.args):
            if _is_name(argument, parameter) and position < len(names):
                yield name, names[position]

    def _meant(self, module: Module, inside: str, func: ast.expr) -> str | None:
        if isinstance(func, ast.Name):
            full = module.full(func.id)
        elif isinstance(func, ast.Attribute):
            owner = self._class_of(module, inside, func.value)
            full = f"{owner or module.full(ast.unparse(func.value))}.{func.attr}"
            if owner is None and full not in self._functions and len(self._methods[func.attr]) == 1:
                full = self._methods[func.attr][0]
        else:
            return None
        return next((name for name in (full, f"{full}.__init__") if name in self._functions), None)

    def _class_of(self, module: Module, inside: str, value: ast.expr) -> str | None:
        """The class of `self`, of an annotated parameter, of a field, or of what a constructor makes."""
        if isinstance(value, ast.Name) and value.id == "self":
            return f"{module.name}.{inside.split('.')[0]}"
        if isinstance(value, ast.Name):
            function = module.functions[inside]
            return next((self._annotated(module, a) for a in arguments(function) if a.arg == value.id), None)
        if isinstance(value, ast.Attribute):
            owner = self._class_of(module, inside, value.value)
            return self._fields.get(owner or "", {}).get(value.attr)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            return self._known(module.full(value.func.id))
        return None

    def _fields_of(self, module: Module, inside: str, node: ast.ClassDef) -> Iterator[tuple[str, str]]:
        """(field, class) from annotations in the class body, and from assignments in `__init__`."""
        for entry in node.body:
            if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
                found = self._known(module.full(ast.unparse(entry.annotation).removesuffix(" | None")))
                if found:
                    yield entry.target.id, found
        init = module.functions.get(f"{inside}.__init__")
        for statement in ast.walk(init) if init else ():
            if isinstance(statement, ast.Assign):
                for target, value in _pairs(statement):
                    found = self._made(module, f"{inside}.__init__", value)
                    if found and isinstance(target, ast.Attribute) and _is_name(target.value, "self"):
                        yield target.attr, found

    def _made(self, module: Module, inside: str, value: ast.expr) -> str | None:
        if isinstance(value, (ast.Name, ast.Call)):
            return self._class_of(module, inside, value)
        return None

    def _annotated(self, module: Module, argument: ast.arg) -> str | None:
        if argument.annotation is None:
            return None
        return self._known(module.full(ast.unparse(argument.annotation).removesuffix(" | None").split("[")[0]))

    def _known(self, name: str) -> str | None:
        return name if name in self._classes else None


def arguments(node: Function) -> list[ast.arg]:
    """By position, then the keyword-only ones; without `self` and `cls`."""
    spec = node.args
    return [arg for arg in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs] if arg.arg not in ("self", "cls")]


def parameters(node: Function) -> list[str]:
    """The names of `arguments`."""
    return [argument.arg for argument in arguments(node)]


def passed(call: ast.Call) -> list[ast.expr]:
    """All arguments of a call."""
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _pairs(statement: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    for target in statement.targets:
        if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
            yield from zip(target.elts, statement.value.elts, strict=False)
        else:
            yield target, statement.value


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
