"""Nothing of ours is pickled to disk, and no stranger's file is executed: read from the source."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"

PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal", "yaml", "torch"}

ALLOWED = {
    ("truetune/data/reading/safe_pickle.py", "pickle"): "DEAP's files are pickles; only arrays are taken from them",
    (
        "truetune/session/training.py",
        "cloudpickle",
    ): "over the pipe to our workers: functions of a script or a notebook",
    ("truetune/training/worker.py", "cloudpickle"): "the other end of that pipe",
    ("truetune/tasks/own_task.py", "cloudpickle"): "says that a user's file travels over that pipe by value",
}
EXECUTING = re.compile(r"(?<!\.)\b(eval|exec|__import__)$|(^|\.)(system|popen|load_model|read_pickle|to_pickle)$")
"""Calls that run what they are given, or a file."""


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    files = sorted(SOURCE.rglob("*.py"))
    return tuple((path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in files)


def calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_pickles_are_used_only_where_it_is_documented() -> None:
    found = set()
    for file, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {(file, name.split(".")[0]) for name in names if name.split(".")[0] in PICKLES}
    assert found == set(ALLOWED)


def test_yaml_is_scanned_and_parsed_and_never_loaded() -> None:
    used: dict[str, set[str]] = {}
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ruamel"):
                used.setdefault(file, set()).update(alias.name for alias in node.names)
            assert not (isinstance(node, ast.Import) and any(a.name.startswith(("ruamel", "yaml")) for a in node.names))
    assert set(used) == {"truetune/config/yaml/parsing.py"}
    (readers,) = used.values()
    assert all(name == "YAML" or name.endswith(("Error", "Event", "Token")) for name in readers)
    (tree,) = (tree for file, tree in trees() if file in used)
    called = {node.func.attr for node in calls(tree) if ast.unparse(node.func).startswith("_reader().")}  # type: ignore[attr-defined]
    assert called == {"scan", "parse"}
    makers = [node for node in calls(tree) if ast.unparse(node.func) == "YAML"]
    assert [ast.unparse(node) for node in makers] == ["YAML(typ='safe', pure=True)"]


def test_arrays_are_never_read_or_written_as_pickles() -> None:
    wrong = []
    for file, tree in trees():
        for call in calls(tree):
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            if keywords.get("allow_pickle", "False") != "False":
                wrong.append(f"{file}:{call.lineno} allows pickles")
            if ast.unparse(call.func) in ("np.load", "np.save") and "allow_pickle" not in keywords:
                wrong.append(f"{file}:{call.lineno} does not forbid them")
    assert not wrong, "\n".join(wrong)


def test_nothing_that_is_read_is_executed() -> None:
    found = [
        f"{file}:{call.lineno} {ast.unparse(call.func)}"
        for file, tree in trees()
        for call in calls(tree)
        if EXECUTING.search(ast.unparse(call.func))
    ]
    assert not found, "\n".join(found)
