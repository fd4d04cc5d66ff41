"""A search plan on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from truetune.inspection.planning import SearchPlan
from truetune.report.terminal.screen import clock_time


def print_plan(console: Console, plan: SearchPlan) -> None:
    """Print the space, its size, the schedule and the time the search would take."""
    for line in plan.notes:
        console.print(line, markup=False, highlight=False)
    console.print(_space_table(plan))
    for line in plan.schedule:
        console.print(line, markup=False, highlight=False)
    timing = plan.timing
    console.print(
        f"Default model: {timing.parameters:,} parameters, {timing.epoch_seconds:.2f} s per epoch, "
        f"{timing.build_seconds + timing.first_epoch_seconds - timing.epoch_seconds:.1f} s to build and start.",
        highlight=False,
    )
    console.print(
        f"{_work(plan)}: about {clock_time(plan.seconds)} at most, run one after the other. Early stopping, pruning "
        "and more workers shorten it. Only the timed epochs were trained.",
        highlight=False,
    )


def _work(plan: SearchPlan) -> str:
    """What would be trained, in words."""
    work = f"{plan.trials} trials ({plan.epochs} epochs in total)"
    if plan.finals:
        work += f" and up to {plan.finals} re-trainings of finalists ({plan.final_epochs} epochs)"
    if plan.searches == 1:
        return work
    return (
        f"{plan.searches} searches (one per outer fold and a final one), each of {work}, and {plan.winners} trainings "
        f"of the outer folds' winners ({plan.winner_epochs} epochs in total)"
    )


def _space_table(plan: SearchPlan) -> Table:
    size = plan.combinations
    shown = "unlimited combinations (some ranges are continuous)" if size is None else f"{size:,} combinations"
    tunable = plan.space.tunable()
    table = Table("hyperparameter", "range", "default", "only if", title=f"{len(tunable)} hyperparameters, {shown}")
    for key, hyperparameter in tunable.items():
        conditions = " and ".join(
            f"{c.parent} is {' or '.join(str(v) for v in c.values)}" for c in hyperparameter.conditions
        )
        table.add_row(key, hyperparameter.describe(), str(hyperparameter.default), conditions)
    return table
