"""The documentation cannot drift: commands, options, names, links and generated pages are checked."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import truetune
import truetune.metrics
from truetune.cli import main
from truetune.cli.task_options import TaskCommand
from truetune.cli.tune import tune
from truetune.search.registry import ALGORITHMS
from truetune.tasks.registry import DEFAULT_TASK, TASKS, definition_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
STUDY = {"result": truetune.Result}
"""What a name stands for in the pages' Python."""


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(path.read_text(encoding="utf-8")) if language in languages]


def with_blocks(*languages: str) -> list[Path]:
    return [path for path in PAGES if blocks(path, *languages)]


# The README and .ci/run


def test_ci_runs_what_the_readme_says() -> None:
    readme = [line for line in blocks(README, "bash")[0].splitlines() if line]
    assert len(readme) == 2
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    run = [line for line in script.splitlines() if line.startswith("python3 -m venv")]
    assert [plain(line) for line in run] == [plain(line) for line in readme]


def plain(command: str) -> str:
    """A command without what CI may change: where it writes, and how many trials it runs."""
    command = command.removesuffix("\\").replace(" --directory .ci/models", "").replace(".ci/venv", ".venv")
    return " ".join(re.sub(r"--max-trials \d+", "--max-trials N", command).split())


def test_ci_needs_no_more_than_bash_and_python() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    # `set -e` ignores a failure inside a chain of &&, so each chain says what happens then.
    assert script.count("|| fail \"the README's") == 2


def test_ci_runs_what_a_plain_pytest_leaves_out() -> None:
    left_out = re.findall(r"not (\w+)", re.search(r"addopts = .*", (ROOT / "setup.cfg").read_text("utf-8")).group())
    assert sorted(left_out) == ["reliability", "slow"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [mark for mark in left_out if f".ci/venv/bin/pytest -m {mark}" not in script] == []


def test_ci_builds_the_documentation_as_a_developer_does() -> None:
    command, extra = "sphinx-build -W docs", 'pip install -e ".[docs]"'
    for path in (ROOT / ".ci" / "run", ROOT / "CONTRIBUTING.md", DOCS / "conf.py"):
        written = path.read_text(encoding="utf-8")
        assert command in written, path
        assert extra in written, path


# The layers


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_layers_in_the_pages_are_those_of_the_rules(page: str) -> None:
    written = (ROOT / page).read_text(encoding="utf-8")
    made = runpy.run_path(str(DOCS / "generate_layers.py"))["with_layers"](written)
    assert made == written, f"{page} is out of date: run `python docs/generate_layers.py`."


# The command line


def test_the_page_of_the_command_line_is_current() -> None:
    made = runpy.run_path(str(DOCS / "generate_cli.py"))["cli_page"]()
    written = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert made == written, "docs/cli.md is out of date: run `python docs/generate_cli.py`."


def test_the_table_of_algorithms_is_current() -> None:
    page = DOCS / "how-to" / "choose-an-algorithm.md"
    made = runpy.run_path(str(DOCS / "generate_cli.py"))["algorithms_page"]()
    assert made == page.read_text(encoding="utf-8"), "the table is out of date: run `python docs/generate_cli.py`."
    assert all(f"| {algorithm.what} |" in made for algorithm in ALGORITHMS)


@pytest.mark.parametrize("name", main.commands)
def test_every_command_and_option_has_help(name: str) -> None:
    command = main.commands[name]
    assert command.help
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    bare = [option.opts[0] for option in options if not (option.help or "").split("[")[0].strip()]
    assert not bare, f"truetune {name}: no help for {', '.join(bare)}"


@pytest.mark.parametrize("page", with_blocks("bash", "console"), ids=page_name)
def test_commands_in_the_pages_exist(page: Path) -> None:
    for body in blocks(page, "bash", "console"):
        for line in body.splitlines():
            for command, words in calls_in(line):
                known = flags(command, words)
                unknown = [word for word in words if word.startswith("-") and word not in known]
                assert not unknown, f"{line}: {command.name} does not take {', '.join(unknown)}"


def flags(command: click.Command, words: list[str]) -> set[str]:
    """The options that a command takes: its own, and those of its task; a user's own task may have any."""
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    if isinstance(command, TaskCommand):
        task = words[words.index("--task") + 1] if "--task" in words else DEFAULT_TASK
        is_own = task not in TASKS
        known |= {word for word in words if is_own} | {o.flag for o in ([] if is_own else definition_of(task).declared)}
    return known


def calls_in(line: str) -> Iterator[tuple[click.Command, list[str]]]:
    """The calls of our commands in one line of a shell, with their words."""
    line = line.split("  #")[0].removeprefix("$ ")
    for part in re.split(r"&&|;|\|", line):
        try:
            words = [word for word in shlex.split(part, comments=True) if word != "…"]
        except ValueError:
            continue
        names = [Path(word).name for word in words]
        if "run_hyperparameter_tuning.py" in names:
            yield tune, words[names.index("run_hyperparameter_tuning.py") + 1 :]
        elif "train_emotion_model.py" in names:
            yield main.commands["train"], words[names.index("train_emotion_model.py") + 1 :]
        elif names[:1] == ["truetune"] and len(words) > 1:
            assert words[1] in main.commands or words[1].startswith("-"), f"there is no truetune {words[1]}"
            if words[1] in main.commands:
                yield main.commands[words[1]], words[2:]


# Python in the pages


@pytest.mark.parametrize("page", with_blocks("python"), ids=page_name)
def test_python_in_the_pages_compiles_and_uses_public_names(page: Path) -> None:
    for body in blocks(page, "python"):
        tree = ast.parse(body, page_name(page))
        compile(tree, page_name(page), "exec")
        for node in ast.walk(tree):
            check_names(node)


def check_names(node: ast.AST) -> None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "truetune":
            assert node.attr in truetune.__all__, f"there is no truetune.{node.attr}"
        if node.value.id in STUDY:
            check_attribute(STUDY[node.value.id], node.attr)
    if isinstance(node, ast.ImportFrom) and node.module == "truetune":
        assert {alias.name for alias in node.names} <= set(truetune.__all__)
    if isinstance(node, ast.ImportFrom) and node.module == "truetune.metrics":
        assert {alias.name for alias in node.names} <= set(truetune.metrics.__all__)
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("truetune."):
        check_arguments(node)


def check_attribute(kind: type, name: str) -> None:
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    assert name in fields or hasattr(kind, name), f"{kind.__name__} has no {name}"


def check_arguments(call: ast.Call) -> None:
    name = ast.unparse(call.func).removeprefix("truetune.")
    if name not in truetune.__all__:
        return
    known = set(inspect.signature(getattr(truetune, name)).parameters)
    if name == "tune":
        known |= {field.name for field in dataclasses.fields(truetune.SearchOptions)}
    unknown = [keyword.arg for keyword in call.keywords if keyword.arg is not None and keyword.arg not in known]
    assert not unknown, f"truetune.{name} does not take {', '.join(unknown)}"


# Links and completeness


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    broken = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert not broken, f"{page_name(page)} links to {', '.join(broken)}"


def test_figures_are_drawn_by_a_script_and_small() -> None:
    script = (DOCS / "generate_honesty_figures.py").read_text(encoding="utf-8")
    page = (DOCS / "is-my-improvement-real.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r'_save\(figure, "(\w+)"\)', script))
    shown = set(re.findall(r"\(figures/(\w+)\.png\)", page))
    assert shown == drawn == {path.stem for path in (DOCS / "figures").iterdir()}
    large = [path.name for path in (DOCS / "figures").iterdir() if path.stat().st_size > 60_000]
    assert not large, f"{', '.join(large)}: more than 60 kB"


def test_every_page_is_reached() -> None:
    reached, waiting = set(), {DOCS / "index.md", README}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = {(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))}
        waiting |= {link for link in links if link.suffix == ".md" and DOCS in link.parents} - reached
    assert [page_name(path) for path in sorted(DOCS.rglob("*.md")) if path not in reached] == []


@pytest.mark.parametrize("name", [*truetune.__all__, *(f"metrics.{name}" for name in truetune.metrics.__all__)])
def test_every_public_name_is_in_the_pages(name: str) -> None:
    assert any(re.search(rf"\btruetune\.{name}\b", page.read_text(encoding="utf-8")) for page in PAGES)


def test_the_picture_of_the_house_shows_every_part() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    parts = [
        path
        for path in (ROOT / "src" / "truetune").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    missing = [path.stem for path in parts if path.stem != "__init__" and path.stem not in text]
    assert not missing, f"docs/architecture.md does not name {', '.join(missing)}"
