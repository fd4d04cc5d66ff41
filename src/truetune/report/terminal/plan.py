"""A search plan as a person reads it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from truetune.inspection.planning import SearchPlan
from truetune.report.terminal.screen import clock_time


def print_plan(console: Console, plan: SearchPlan) -> None:
    """The space, its size, the schedule, and how long it would take."""
    for line in plan.notes:
        console.print(line, markup=False, highlight=False)
    console.print(_space_table(plan))
    for line in plan.schedule:
        console.print(line, markup=False, highlight=False)
    timing = plan.timing
    console.print(
        f"One epoch of the default model ({timing.parameters:,} parameters) took {timing.epoch_seconds:.2f} s, "
        f"building and starting it {timing.build_seconds + timing.first_epoch_seconds - timing.epoch_seconds:.1f} s.",
        highlight=False,
    )
    what = f"{plan.trials} trials of {plan.epochs} epochs in all"
    if plan.finals:
        what += f", and up to {plan.finals} fresh trainings of the finalists with {plan.final_epochs},"
    if plan.searches > 1:
        what = f"{plan.searches} searches (one in each outer fold, and a last one), each of {what}"
        winners = f"{plan.winners} trainings of the outer folds' winners of {plan.winner_epochs} epochs in all,"
        what = f"{what.removesuffix(',')}, and {winners}"
    console.print(
        f"{what} take about {clock_time(plan.seconds)} one after the other at most; early stopping, pruning and more "
        "workers make it less. Nothing was trained beyond the timed epochs.",
        highlight=False,
    )


def _space_table(plan: SearchPlan) -> Table:
    size = plan.combinations
    shown = "no end of combinations (a range is continuous)" if size is None else f"{size:,} combinations"
    tunable = plan.space.tunable()
    table = Table("hyperparameter", "range", "default", "only if", title=f"{len(tunable)} hyperparameters, {shown}")
    for key, hyperparameter in tunable.items():
        conditions = " and ".join(
            f"{c.parent} is {' or '.join(str(v) for v in c.values)}" for c in hyperparameter.conditions
        )
        table.add_row(key, hyperparameter.describe(), str(hyperparameter.default), conditions)
    return table
