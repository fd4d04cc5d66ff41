"""The rules of the house, read from the source: see docs/architecture.md.

Every import counts, those inside functions and under TYPE_CHECKING too, unless an exception below says why not.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
TESTS = ROOT / "tests"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("system",),
    ("space", "trial", "seeds", "objective", "recipe", "task"),
    ("data", "hyperparameters"),
    ("search", "training", "statistics"),
    ("storage", "workers", "metrics"),
    ("study", "results"),
    ("config",),
    ("tasks", "testing", "verification"),
    ("result",),
    ("session",),
    ("nested",),
    ("api",),
    ("inspection",),
    ("report",),
    ("cli",),
)
"""From the ground up: a part imports its own layer and those before it."""

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "keras_tuner": ("hyperparameters", "search.keras_tuner"),
    "optuna": (
        "search.optuna",
        "storage",
    ),
    "keras": ("training", "tasks.*.model", "verification.retrain", "inspection.doctor_search"),
    "tensorflow": ("training",),
    "click": ("cli",),
    "rich": ("cli", "report"),
    "mne": ("tasks",),
    "libcst": ("config.python",),
    "ruamel": ("config.yaml",),
}
"""Who may import which library; `*` stands for one name."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("task", "data.dataset"): "a Task holds a Dataset; for type checkers only",
    ("task", "config.mapping"): "a Task holds a ConfigMapping; for type checkers only",
    ("training.fit", "keras_tuner"): "only KerasTuner can say whether a HyperModel has a `fit` of its own",
    ("report.terminal.status", "optuna"): "it lists the studies of a database, and writes nothing",
}
"""(importer, imported) that break a rule, each with its reason."""

HEAVY = ("tensorflow", "keras", "keras_tuner", "optuna", "pandas", "sklearn", "mne", "scipy", "matplotlib")
LONGEST_FUNCTION = 60
LONGEST_FILE = 450
BANNED_MODULES = {"utils", "util", "helpers", "misc", "common"}


@dataclass(frozen=True)
class Import:
    """One imported module, by full name; `at_once` when importing the importer imports it."""

    module: str
    at_once: bool


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def modules() -> dict[str, Path]:
    """The package's modules by full name; a package is its `__init__.py`."""
    found = {}
    for path in sorted((SOURCE / "truetune").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def python_files() -> list[Path]:
    """All that people read: the package, scripts, tests, benchmarks, documentation's scripts."""
    folders = [SOURCE, TESTS, ROOT / "benchmarks", ROOT / "docs"]
    return sorted([*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))])


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    return tuple(_imports(parsed(path), at_once=True))


def _imports(node: ast.AST, at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, at_once) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield from (Import(_module_named(child.module or "", alias.name), at_once) for alias in child.names)
        else:
            yield from _imports(child, at_once and not _is_later(child))


def _is_later(node: ast.AST) -> bool:
    """Whether what stands in `node` runs later than the module, or never."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))


def _module_named(module: str, name: str) -> str:
    return f"{module}.{name}" if f"{module}.{name}" in modules() else module


def short(module: str) -> str:
    """`truetune.search.base` → `search.base`."""
    return module.removeprefix("truetune").removeprefix(".")


def layer_of(module: str) -> int:
    part = short(module).split(".")[0]
    for number, parts in enumerate(LAYERS):
        if part in parts:
            return number
    raise AssertionError(f"{module} is in no layer: add it to LAYERS and to docs/architecture.md.")


def inner_imports() -> Iterator[tuple[str, str]]:
    """(importer, imported) within the package; the façade `truetune/__init__.py` stands outside the house."""
    for module, path in modules().items():
        for found in imports_of(path):
            if module != "truetune" and found.module.split(".")[0] == "truetune":
                yield module, found.module


def is_excepted(importer: str, imported: str) -> bool:
    return (short(importer), short(imported)) in EXCEPTIONS


# Imports


def test_every_module_has_a_layer() -> None:
    for module in modules():
        if module != "truetune":
            layer_of(module)


def test_imports_point_one_way() -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported in inner_imports()
        if imported != "truetune" and layer_of(imported) > layer_of(importer) and not is_excepted(importer, imported)
    ]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_nothing_inside_imports_the_facade() -> None:
    assert [importer for importer, imported in inner_imports() if imported == "truetune"] == []


@pytest.mark.parametrize("depth", [1, None], ids=["packages", "modules"])
def test_no_circles(depth: int | None) -> None:
    graph: dict[str, set[str]] = {}
    for importer, imported in inner_imports():
        ends = [".".join(short(name).split(".")[:depth]) for name in (importer, imported)]
        if ends[0] != ends[1] and not is_excepted(importer, imported):
            graph.setdefault(ends[0], set()).add(ends[1])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_where_it_belongs(library: str) -> None:
    importers = {
        short(module)
        for module, path in modules().items()
        if any(found.module.split(".")[0] == library for found in imports_of(path))
    }
    wrong = [
        importer
        for importer in sorted(importers)
        if not any(_is_inside(importer, home) for home in LIBRARIES[library]) and (importer, library) not in EXCEPTIONS
    ]
    assert not wrong, f"{library} is imported by {', '.join(wrong)}; it belongs in {', '.join(LIBRARIES[library])}."


def _is_inside(module: str, home: str) -> bool:
    parts, wanted = module.split("."), home.split(".")
    return len(parts) >= len(wanted) and all(w in ("*", p) for p, w in zip(parts, wanted, strict=False))


def test_every_exception_is_still_needed() -> None:
    found = {
        (short(module), short(imported.module) if imported.module.startswith("truetune") else root)
        for module, path in modules().items()
        for imported in imports_of(path)
        for root in [imported.module.split(".")[0]]
    }
    assert set(EXCEPTIONS) <= found


@pytest.mark.parametrize(
    "code",
    [
        "import truetune",
        "import truetune; dir(truetune); truetune.Task, truetune.Dataset, truetune.Objective, truetune.SearchOptions",
        "import truetune.metrics; dir(truetune.metrics)",
        "from truetune.cli import main; main(['--help'], standalone_mode=False)",
        "from truetune.cli import main; [main([name, '--help'], standalone_mode=False) for name in main.commands]",
    ],
    ids=["import", "names", "metrics", "help", "help of each command"],
)
def test_light_imports_load_nothing_heavy(code: str) -> None:
    report = f"import sys; print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_modules_that_load_tensorflow_are_tested_under_its_mark() -> None:
    """Deselecting the mark must leave tests that take seconds, so a heavy import at the top of a file needs it."""
    unmarked = [
        path.name
        for path in sorted(TESTS.rglob("test_*.py"))
        if _loads_keras(frozenset(found.module for found in imports_of(path) if found.at_once)) and not _is_marked(path)
    ]
    assert not unmarked, f"{', '.join(unmarked)}: add `pytestmark = pytest.mark.tensorflow`."


def _loads_keras(names: frozenset[str]) -> bool:
    """Whether importing all of `names` imports TensorFlow, Keras or KerasTuner."""
    waiting, seen = set(names), set()
    while waiting:
        name = waiting.pop()
        if name.split(".")[0] in ("keras", "keras_tuner", "tensorflow"):
            return True
        seen.add(name)
        # Importing a.b.c imports a and a.b first.
        parents = {name.rpartition(".")[0]} if "." in name else set()
        path = modules().get(name)
        inside = {found.module for found in imports_of(path) if found.at_once} if path else set()
        waiting |= (parents | inside) - seen
    return False


def _is_marked(path: Path) -> bool:
    for node in parsed(path).body:
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "pytestmark" for t in node.targets):
            return "tensorflow" in ast.unparse(node.value)
    return False


# What stands in the files


def test_the_scripts_only_call_the_package() -> None:
    for name in ("run_hyperparameter_tuning.py", "src/train_emotion_model.py"):
        roots = {found.module.split(".")[0] for found in imports_of(ROOT / name)}
        assert roots <= {"sys", "pathlib", "truetune"}, f"{name} imports {roots}"
    assert imports_of(SOURCE / "config.py") == (), "config.py is data"


def test_nobody_edits_the_import_path() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "path" and ast.unparse(node) == "sys.path"
    ]
    assert not wrong, f"sys.path is used in {', '.join(wrong)}. Install the package instead."


def test_names_say_what_is_inside() -> None:
    assert not [path for path in python_files() if path.stem in BANNED_MODULES]
    classes = [n.name for p in modules().values() for n in ast.walk(parsed(p)) if isinstance(n, ast.ClassDef)]
    assert not [name for name in classes if name.endswith(("Manager", "Helper", "Util", "Utils"))]


def test_no_error_is_swallowed() -> None:
    """`except Exception: pass` hides defects; narrower errors may be ignored, with a reason."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if _swallows(node)
    ]
    assert not wrong, f"everything is caught and dropped in {', '.join(wrong)}"


def _swallows(node: ast.AST) -> bool:
    if isinstance(node, ast.With):
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        return any(ast.unparse(call) in ("suppress(Exception)", "contextlib.suppress(Exception)") for call in calls)
    if not isinstance(node, ast.ExceptHandler):
        return False
    caught = "" if node.type is None else ast.unparse(node.type)
    is_empty = all(isinstance(s, (ast.Pass, ast.Continue)) or ast.unparse(s) == "..." for s in node.body)
    return not caught or (caught in ("Exception", "BaseException") and is_empty)


def test_functions_fit_on_a_screen() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not wrong, f"longer than {LONGEST_FUNCTION} lines: {', '.join(wrong)}"


def test_files_hold_one_concept() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    wrong = [f"{path.relative_to(ROOT)} ({n})" for path, n in lengths.items() if n > LONGEST_FILE]
    assert not wrong, f"longer than {LONGEST_FILE} lines: {', '.join(wrong)}"


def test_tests_mirror_the_package() -> None:
    """A folder of tests is a folder of the package."""
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    folders -= {Path("reliability")}  # breaks whole searches
    assert [str(f) for f in folders if not (SOURCE / "truetune" / f).is_dir()] == []
