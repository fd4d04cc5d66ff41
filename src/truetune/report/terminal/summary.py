"""The summary at the end of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from truetune.report.terminal.final_lines import final_lines
from truetune.report.terminal.screen import scored
from truetune.result import Result
from truetune.results.ranking import count_states
from truetune.space import Value
from truetune.trial import Trial


def print_summary(console: Console, result: Result, written: Path, next_command: str) -> None:
    """Print the winner, its re-evaluation, the file it was written to, and the next command."""
    best = result.best
    if best is None or best.score is None:
        raise ValueError("print_summary needs a result with a finished trial")
    counts = ", ".join(f"{n} {state}" for state, n in count_states(result.trials).items() if n)
    console.print(f"\nBest {result.objective.name}: {scored(best)} after {best.best_epoch} epochs", style="bold")
    console.print(f"Trials: {counts}", highlight=False)
    baseline = result.trials[0]
    if result.final is None and baseline.number != best.number:
        console.print(f"Today's config: {scored(baseline)}", highlight=False)
    for line in final_lines(result):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if best.fold_metrics:
        console.print(_metrics(best, result.objective.name.removeprefix("val_")))
    console.print(_table(result.best_hyperparameters))
    console.print(f"Best hyperparameters written to {written}", highlight=False, soft_wrap=True)
    console.print(_next(result, next_command), style="bold", highlight=False, soft_wrap=True)


def _next(result: Result, command: str) -> str:
    if result.final is not None and result.final.recommendation == "keep today's":
        return f"You can keep today's config. `{command}` would write the winner, probably without a gain."
    return f"Next: {command}"


def _metrics(best: Trial, objective: str) -> Table:
    """One row per metric, the objective's first; "–" where a metric is undefined on every fold."""
    table = Table("metric", "all folds together", "lowest fold", "highest fold", title_justify="left")
    table.title = f"Search: trial {best.number} over {len(best.fold_scores)} folds"
    for name in sorted(best.fold_metrics, key=lambda name: (name != objective, name)):
        values = [best.metrics.get(name, math.nan), *_ends(best.fold_metrics[name])]
        table.add_row(name, *("–" if math.isnan(value) else f"{value:.4f}" for value in values))
    return table


def _ends(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if not math.isnan(value)] or [math.nan]
    return min(known), max(known)


def _table(values: dict[str, Value]) -> Table:
    table = Table("hyperparameter", "value", title="Best hyperparameters", title_justify="left")
    for name, value in values.items():
        table.add_row(name, f"{value:.6g}" if isinstance(value, float) else str(value))
    return table
