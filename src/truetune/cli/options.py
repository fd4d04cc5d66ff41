"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from truetune.search.registry import ALGORITHMS, DEFAULT_METHOD, METHODS, PRUNERS, algorithms_of

Command = Callable[..., Any]


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases only
    """`2h`, `90m`, `1h30m`, `45s`, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        text = value.strip().lower()
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text)
        parts = re.fullmatch(r"(?:([\d.]+)d)?(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text)
        try:
            if parts is None or not text:
                raise ValueError
            return sum(float(n) * unit for n, unit in zip(parts.groups(), (86400, 3600, 60, 1), strict=True) if n)
        except ValueError:
            self.fail(f"{value!r} is not a duration. Expected e.g. 2h, 90m, 1h30m or 45s.", param, ctx)


DURATION = Duration()

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Of every command; a sub-command run by itself does not have them from its group."""

BEST = Path("models/best_hyperparameters.json")
CONFIG = Path("src/config.py")


def _algorithms() -> list[str]:
    return [f"{', '.join(algorithms_of(method))} ({method})" for method in METHODS]


def search_options(command: Command) -> Command:
    """How to search."""
    for option in reversed(_SEARCH):
        command = option(command)
    return command


map_option = click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="NAME=KEY",
    help="Key of a hyperparameter in the config, e.g. learning_rate=training.lr; repeatable.  [default: the task's]",
)

_SEARCH = (
    click.option(
        "--method",
        default=None,
        metavar="|".join(METHODS),
        help=f"Search library.  [default: the library of --tuning-algorithm, else {DEFAULT_METHOD}]",
    ),
    click.option(
        "--tuning-algorithm",
        "algorithm",
        default=None,
        metavar="NAME",
        help=f"Algorithm: {'; '.join(_algorithms())}.  [default: the first of the method]",
    ),
    click.option("--max-trials", type=int, default=30, show_default=True, help="Total number of trials in the study."),
    click.option(
        "--workers",
        default=None,
        metavar="N|auto",
        help="Number of trials at once; 0 trains in this process, auto fits cores, memory and GPUs.  "
        "[default: 1, or one per GPU]",
    ),
    click.option(
        "--gpus",
        default="",
        metavar="0,1,…",
        help="GPUs to use, one worker on each.  [default: every worker sees all GPUs]",
    ),
    click.option(
        "--workers-per-trial",
        type=int,
        default=1,
        show_default=True,
        help="Number of workers that train the folds of one trial together; idle workers help in any case.",
    ),
    click.option(
        "--worker-memory",
        default=None,
        metavar="SIZE",
        help="Memory limit per worker, e.g. 3G; a trial exceeding it fails as out of memory.  "
        "[default: an equal share of the free memory]",
    ),
    click.option(
        "--max-parameters",
        type=int,
        default=None,
        help="Maximum model size in parameters; larger models are skipped.  [default: unlimited]",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Random seed."),
    click.option(
        "--pruner",
        default=PRUNERS[0],
        metavar="|".join(PRUNERS),
        show_default=True,
        help=f"Early stopping of unpromising trials; only with {', '.join(a.name for a in ALGORITHMS if a.prunes)}.",
    ),
    click.option(
        "--protocol",
        default="holdout",
        show_default=True,
        help="Evaluation of a trial: holdout, k-fold, leave-one-group-out, or nested (a search per outer fold).",
    ),
    click.option(
        "--folds",
        type=int,
        default=5,
        show_default=True,
        help="Number of folds for k-fold, and of inner folds for nested.",
    ),
    click.option(
        "--outer",
        type=click.Choice(["k-fold", "leave-one-group-out"]),
        default="k-fold",
        show_default=True,
        help="Type of the outer folds for nested.",
    ),
    click.option(
        "--outer-folds",
        type=int,
        default=5,
        show_default=True,
        help="Number of outer folds for nested with --outer k-fold.",
    ),
    click.option("--reshuffle", is_flag=True, help="A new holdout split for every trial."),
    click.option(
        "--grid-points",
        type=int,
        default=None,
        help="Points per continuous range in a grid search.  [default: continuous ranges are refused]",
    ),
    click.option(
        "--time-budget",
        type=DURATION,
        default=None,
        help="Time limit for this run, e.g. 2h; no trial starts that would end later, and running ones are "
        "interrupted. The searches of a nested evaluation share it.  [default: unlimited]",
    ),
    click.option(
        "--trial-timeout",
        type=DURATION,
        default=None,
        help="Time limit per trial, e.g. 20m; a trial exceeding it fails.  [default: unlimited]",
    ),
    click.option(
        "--stop-after-no-improvement",
        type=int,
        default=None,
        metavar="K",
        help="Number of finished trials without a new best after which the search ends.  [default: unlimited]",
    ),
    click.option(
        "--max-retries",
        type=int,
        default=1,
        show_default=True,
        help="Number of times a trial is trained again after its process died.",
    ),
    click.option(
        "--lease-seconds",
        type=float,
        default=60.0,
        show_default=True,
        help="Seconds without a heartbeat before a remote process's trials are reassigned.",
    ),
    click.option(
        "--keep",
        type=click.Choice(["best", "all", "none"]),
        default="best",
        show_default=True,
        help="Trials whose weights stay in <directory>/tuning/<study>/weights.",
    ),
    click.option(
        "--finalists",
        type=int,
        default=5,
        show_default=True,
        help="Number of top trials to retrain after the search (0 disables). At most one per four trials; today's "
        "config is always included.",
    ),
    click.option(
        "--fresh-runs",
        type=int,
        default=3,
        show_default=True,
        help="Retrainings per finalist; the winner gets as many again for an unbiased score.",
    ),
    click.option("--study-name", default=None, help="Study name.  [default: from task and algorithm]"),
    click.option(
        "--storage",
        default=None,
        envvar="TRUETUNE_STORAGE",
        show_envvar=True,
        help="Database URL.  [default: sqlite:///<directory>/tuning/optuna.db]",
    ),
    click.option(
        "--directory",
        type=click.Path(path_type=Path),
        default=Path("models"),
        show_default=True,
        help="Output folder.",
    ),
    click.option("--fresh", is_flag=True, help="Archive an existing study of this name and start over."),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        default=None,
        help="Config file (Python or YAML) whose values are trial 0.  [default: src/config.py if it exists]",
    ),
    map_option,
)

best_option = click.option(
    "--best", type=click.Path(path_type=Path), default=BEST, show_default=True, help="Exported winner."
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=CONFIG,
    show_default=True,
    help="Config file, Python or YAML.",
)
seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
