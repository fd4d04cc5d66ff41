"""Which type a key of a config file has, and whether a value fits it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from truetune.config.mapping import ConfigValue
from truetune.space import Value

_TYPES: Final = {"int": int, "float": float, "bool": bool, "str": str}
_WRAPPERS: Final = ("Final", "ClassVar", "Optional", "Annotated", "InitVar", "Mapped")
_SEQUENCES: Final = ("list", "List", "tuple", "Tuple", "Sequence", "MutableSequence")
_EXACT_IN_FLOAT: Final = 2**53


class WrongType(Exception):
    """A value does not fit the key; the message is the second half of a sentence."""


def fit(value: ConfigValue, old: Any, annotation: str = "") -> ConfigValue | tuple[Value, ...]:
    """`value` in the type that the key has, without loss: 1 → 1.0 where it is a float, 16.0 → 16 where an int.

    Args:
        value: the new value.
        old: the literal that stands there.
        annotation: its annotation's source; where it names no type we know, the literal decides.

    Raises:
        WrongType: it cannot be.
    """
    if not isinstance(value, list):
        if isinstance(old, (list, tuple, dict)):
            raise WrongType(f"is a {type(old).__name__}, and the new value {value!r} is one {type(value).__name__}")
        return _fit_one(value, _declared(annotation) or _type_of(old))
    if not isinstance(old, (list, tuple)):
        raise WrongType(f"is one {type(old).__name__}, and the new value {value!r} is a list")
    if not value:
        raise WrongType("would become empty; expected at least one element")
    kind = _declared_element(annotation)
    elements = [_fit_one(v, kind or _element_type(old, i, len(value))) for i, v in enumerate(value)]
    return tuple(elements) if isinstance(old, tuple) else elements


def same(new: Any, old: Any) -> bool:
    """Equal in value; 1 and 1.0 are, 1 and True are not."""
    if isinstance(new, (list, tuple)):
        return type(new) is type(old) and len(new) == len(old) and all(map(same, new, old))
    return isinstance(new, bool) == isinstance(old, bool) and bool(new == old)


def _fit_one(value: Value, kind: type | None) -> Value:
    if kind is None or type(value) is kind:
        return value
    if kind is float and type(value) is int and abs(value) <= _EXACT_IN_FLOAT:
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    advice = "; write it as a float in the file first" if kind is int and isinstance(value, float) else ""
    raise WrongType(f"holds {kind.__name__}, and the new value {value!r} is {type(value).__name__}{advice}")


def _type_of(old: Any) -> type | None:
    """None stands for a value of any type."""
    return None if old is None else type(old)


def _element_type(old: Sequence[Any], index: int, count: int) -> type | None:
    """Of element `index` of a new list; a list of another length goes by the type that all its elements share."""
    if len(old) == count:
        return _type_of(old[index])
    types = {type(element) for element in old}
    if types == {int, float}:
        return float
    return types.pop() if len(types) == 1 and None not in old else None


def _declared(annotation: str) -> type | None:
    node = _unwrap(_parse(annotation))
    return _TYPES.get(node.id) if isinstance(node, ast.Name) else None


def _declared_element(annotation: str) -> type | None:
    node = _unwrap(_parse(annotation))
    if not isinstance(node, ast.Subscript) or _name(node.value) not in _SEQUENCES:
        return None
    inner = node.slice
    if isinstance(inner, ast.Tuple):
        is_repeated = len(inner.elts) == 2 and isinstance(inner.elts[1], ast.Constant) and inner.elts[1].value is ...
        if not is_repeated:
            return None
        inner = inner.elts[0]
    inner = _unwrap(inner) or inner
    return _TYPES.get(inner.id) if isinstance(inner, ast.Name) else None


def _parse(annotation: str) -> ast.expr | None:
    try:
        return ast.parse(f"({annotation}\n)", mode="eval").body
    except SyntaxError:
        return None


def _unwrap(node: ast.expr | None) -> ast.expr | None:
    """The type inside `Final[…]`, `Optional[…]`, `… | None` or quotes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _unwrap(_parse(node.value))
    if isinstance(node, ast.Subscript) and _name(node.value) in _WRAPPERS:
        inner = node.slice
        return _unwrap(inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [side for side in (node.left, node.right) if not _is_none(side)]
        return _unwrap(sides[0]) if len(sides) == 1 else None
    return node


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
