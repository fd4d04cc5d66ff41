"""Nothing public without a test: every name, algorithm, pruner, reader and task has its case."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import truetune
import truetune.metrics
from truetune import errors
from truetune.search.registry import ALGORITHMS, PRUNERS
from truetune.tasks.eeg_emotion.readers import READERS
from truetune.tasks.registry import TASKS

TESTS = Path(__file__).parent


@cache
def trees(folder: str = ".") -> tuple[tuple[Path, ast.Module], ...]:
    files = sorted((TESTS / folder).rglob("test_*.py"))
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"))) for path in files if path != Path(__file__))


def nodes(folder: str = ".") -> list[ast.AST]:
    return [node for _, tree in trees(folder) for node in ast.walk(tree)]


def strings(folder: str) -> set[str]:
    return {n.value for n in nodes(folder) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


@cache
def used_names() -> frozenset[str]:
    """Public names that some test imports from their home or uses as `truetune.name`."""
    homes = set(truetune._HOMES.values()) | {"truetune"}
    imported = {alias.name for n in nodes() if isinstance(n, ast.ImportFrom) and n.module in homes for alias in n.names}
    attributes = {n.attr for n in nodes() if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "truetune"}
    return frozenset(imported | attributes)


def test_the_facade_is_consistent() -> None:
    assert sorted(truetune.__all__) == sorted(truetune._HOMES)
    assert dir(truetune) == sorted([*truetune.__all__, *truetune._MODULES])
    with pytest.raises(AttributeError, match="no attribute 'tuner'"):
        truetune.tuner


@pytest.mark.parametrize("name", truetune.__all__)
def test_every_public_name_is_documented_and_tested(name: str) -> None:
    found = getattr(truetune, name)
    assert found.__doc__
    assert found.__module__ in (truetune._HOMES[name], "truetune.config.backup")
    assert name in used_names(), f"no test uses truetune.{name}"


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", truetune.metrics.__all__)
def test_every_metric_is_documented_and_tested(name: str) -> None:
    metric = getattr(truetune.metrics, name)
    assert metric.__doc__
    assert metric.__module__.startswith("truetune.training.metrics.")
    imported = {
        a.name for n in nodes() if isinstance(n, ast.ImportFrom) and n.module == "truetune.metrics" for a in n.names
    }
    assert name in imported, f"no test uses truetune.metrics.{name}"


def test_metrics_that_do_not_exist() -> None:
    assert dir(truetune.metrics) == sorted(truetune.metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Accuracy'"):
        truetune.metrics.Accuracy


def test_every_error_is_in_the_tree_of_the_docstring() -> None:
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == "truetune.errors"
    ]
    assert errors.__doc__
    assert [name for name in classes if name not in errors.__doc__] == []


@pytest.mark.parametrize("algorithm", [algorithm.name for algorithm in ALGORITHMS])
def test_every_algorithm_keeps_the_contract(algorithm: str) -> None:
    contracts = {
        node.name.casefold()
        for node in nodes("search")
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "SearcherContract" for base in node.bases)
    }
    assert f"test{algorithm}" in contracts, f"no class Test{algorithm.title()}(SearcherContract) in tests/search"


@pytest.mark.parametrize("pruner", PRUNERS)
def test_every_pruner_is_tested(pruner: str) -> None:
    assert pruner in strings("search"), f"no test in tests/search names the pruner {pruner!r}"


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_is_tested(reader: str) -> None:
    files = [path.stem for path, _ in trees("tasks/eeg_emotion")]
    is_tested = reader in strings("tasks/eeg_emotion") or any(stem.endswith(f"_{reader}") for stem in files)
    assert is_tested, f"no test in tests/tasks/eeg_emotion names the reader {reader!r}"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_tested(task: str) -> None:
    assert task in strings("tasks"), f"no test in tests/tasks names the task {task!r}"
