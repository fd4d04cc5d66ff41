"""How the package is built: lengths, folders, public names, parameters, relays and import circles, by `ast` alone.

    python benchmarks/house.py                         # this checkout
    python benchmarks/house.py ../before . --markdown  # a column each, for docs/architecture.md
    python benchmarks/house.py --relays                # the chains, longest first

A *relay* is a parameter that a function only passes on, unchanged; one that is *handed on* may also be used on the way.
Chains are followed by name (see `house_calls`). What a name cannot tell (callbacks, values kept in fields) ends a
chain, so the figures are lower bounds.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from house_calls import Calls, Function, Module, Place, parameters

MOST_PARAMETERS = 7
LONG_RELAY = 5
"""Hops from which a relay counts: five functions pass one value on, and the sixth uses it."""


@dataclass(frozen=True)
class Chains:
    """The ways that values go unchanged from function to function: from each parameter to those that receive it."""

    receivers: Mapping[Place, Sequence[Place]]

    @cached_property
    def long(self) -> list[list[Place]]:
        """From each place, the longest way, where it has `LONG_RELAY` hops or more (n functions have n - 1 hops)."""
        found = [self._longest(place, ()) for place in self.receivers]
        return sorted((way for way in found if len(way) > LONG_RELAY), key=lambda way: (-len(way), way))

    def _longest(self, place: Place, before: tuple[Place, ...]) -> list[Place]:
        seen = (*before, place)
        ways = [self._longest(after, seen) for after in self.receivers.get(place, ()) if after not in seen]
        return [place, *max(ways, key=len, default=[])]

    def per_thousand(self, n_functions: int) -> str:
        """Functions from which a long way begins."""
        return f"{1000 * len({way[0][0] for way in self.long}) / n_functions:.1f}"


@dataclass(frozen=True)
class House:
    """The package of a checkout."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, Module]:
        found = {}
        for path in sorted(self.root.rglob("*.py")):
            parts = path.relative_to(self.root.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found[name] = Module(name, ast.parse(text, str(path)), len(text.splitlines()))
        return found

    @cached_property
    def functions(self) -> dict[str, Function]:
        """By full name: `truetune.api.tune`, `truetune.study.loop._Loop.dispatch`."""
        return {
            f"{name}.{inside}": node
            for name, module in self.modules.items()
            for inside, node in module.functions.items()
        }

    @cached_property
    def relays(self) -> Chains:
        """What is only passed on."""
        return self._chains(is_only_passed_on=True)

    @cached_property
    def handed_on(self) -> Chains:
        """What is passed on, also by functions that use it."""
        return self._chains(is_only_passed_on=False)

    def _chains(self, is_only_passed_on: bool) -> Chains:
        calls, found = Calls(self.modules), {}
        for name, module in self.modules.items():
            for inside, node in module.functions.items():
                for parameter in parameters(node):
                    receivers = calls.receivers(module, inside, parameter, is_only_passed_on)
                    found[f"{name}.{inside}", parameter] = receivers
        return Chains({place: receivers for place, receivers in found.items() if receivers})

    @property
    def import_circles(self) -> int:
        """Whether modules import each other in a circle, what only type checkers import left aside."""
        graph = {name: set(self._imports(module.tree)) - {name} for name, module in self.modules.items()}
        circles = 0
        while True:
            try:
                TopologicalSorter(graph).prepare()
            except CycleError as error:
                circles += 1
                first, second = error.args[1][1], error.args[1][0]
                graph[first].discard(second)
            else:
                return circles

    def _imports(self, node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom) and child.module:
                for alias in child.names:
                    inner = f"{child.module}.{alias.name}"
                    name = inner if inner in self.modules else child.module
                    if name in self.modules and name != self.root.name:
                        yield name
            elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
                yield from self._imports(child)


def body_length(node: Function) -> int:
    """Lines from the first statement to the last, without the docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def summary(values: Sequence[int]) -> str:
    """Median, 95th percentile (nearest rank), largest."""
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95)]
    return f"{at[0]} / {at[1]} / {ordered[-1]}"


def measured(house: House) -> dict[str, str]:
    """The figures, by what they are."""
    modules, functions = house.modules, house.functions
    folders = Counter(path.parent for path in house.root.rglob("*.py"))
    largest = max(folders, key=lambda folder: (folders[folder], str(folder)))
    wide = [name for name, node in functions.items() if len(parameters(node)) > MOST_PARAMETERS]
    n = len(functions)
    return {
        "modules": f"{len(modules):,}",
        "functions": f"{n:,}",
        "lines of a function's body (median / p95 / max)": summary([body_length(node) for node in functions.values()]),
        "lines of a file (median / p95 / max)": summary([module.n_lines for module in modules.values()]),
        "files in a folder (median / p95 / max)": summary(list(folders.values())),
        "largest folder": f"{largest.relative_to(house.root.parent)} ({folders[largest]})",
        "files in the root": str(folders[house.root]),
        "public names of a module (median / p95 / max)": summary([m.public_names for m in modules.values()]),
        f"functions with more than {MOST_PARAMETERS} parameters": str(len(wide)),
        f"functions that relay a value over {LONG_RELAY} hops or more, per 1,000": house.relays.per_thousand(n),
        f"functions that hand a value on over {LONG_RELAY} hops or more, per 1,000": house.handed_on.per_thousand(n),
        "import circles": str(house.import_circles),
    }


def table(columns: Mapping[str, Mapping[str, str]], markdown: bool) -> str:
    """A row a figure, a column a checkout."""
    names = list(next(iter(columns.values())))
    rows = [["", *columns], *([name, *(column[name] for column in columns.values())] for name in names)]
    if markdown:
        rows.insert(1, ["---", *(["---:"] * len(columns))])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    here = Path(__file__).parents[1]
    parser.add_argument("checkouts", nargs="*", type=Path, default=[here], help="Folders with src/truetune in them.")
    parser.add_argument("--markdown", action="store_true", help="A table for the documentation.")
    parser.add_argument("--relays", action="store_true", help="List the long chains and the wide functions too.")
    arguments = parser.parse_args()
    houses = {path.resolve().name: House(path.resolve() / "src" / "truetune") for path in arguments.checkouts}
    print(table({name: measured(house) for name, house in houses.items()}, arguments.markdown))
    for name, house in houses.items() if arguments.relays else ():
        print(f"\n{name}")
        for kind, chains in {"relayed": house.relays, "handed on": house.handed_on}.items():
            for way in chains.long:
                places = " > ".join(f"{function.removeprefix('truetune.')}({value})" for function, value in way)
                print(f"{kind} over {len(way) - 1} hops: {places}")
        for function, node in house.functions.items():
            if len(parameters(node)) > MOST_PARAMETERS:
                print(f"{len(parameters(node))} parameters: {function}")


if __name__ == "__main__":
    main()
