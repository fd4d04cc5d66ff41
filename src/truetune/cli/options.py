"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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
            self.fail(f"{value!r} is no duration. Expected e.g. 2h, 90m, 1h30m or 45s.", param, ctx)


DURATION = Duration()

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Of every command; a sub-command run by itself does not have them from its group."""

BEST = Path("models/best_hyperparameters.json")
CONFIG = Path("src/config.py")


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
    click.option("--method", default="keras-tuner", show_default=True, help="keras-tuner or optuna."),
    click.option(
        "--tuning-algorithm",
        "algorithm",
        default=None,
        help="Of keras-tuner: bayesian, hyperband, random or grid; of optuna: tpe.  [default: the first]",
    ),
    click.option("--max-trials", type=int, default=30, show_default=True, help="Trials in the study in all."),
    click.option(
        "--workers",
        default=None,
        metavar="N|auto",
        help="Trials at once; 0: in this process; auto: as cores, memory and GPUs allow.  [default: 1, or one a GPU]",
    ),
    click.option(
        "--gpus", default="", metavar="0,1,…", help="One worker on each of these GPUs.  [default: all see all]"
    ),
    click.option(
        "--workers-per-trial",
        type=int,
        default=1,
        show_default=True,
        help="So many workers train the folds of one trial together; idle workers help in any case.",
    ),
    click.option(
        "--worker-memory",
        default=None,
        metavar="SIZE",
        help="A worker past it ends as out of memory, e.g. 3G.  [default: an equal share of the free memory]",
    ),
    click.option(
        "--max-parameters", type=int, default=None, help="Larger models are not trained.  [default: any size]"
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is random."),
    click.option(
        "--pruner",
        default="median",
        show_default=True,
        help="Stops hopeless trials under optuna: none, median, hyperband or successive-halving.",
    ),
    click.option(
        "--protocol",
        default="holdout",
        show_default=True,
        help="How a trial is evaluated: holdout, k-fold or leave-one-group-out; nested: a search in every outer fold.",
    ),
    click.option("--folds", type=int, default=5, show_default=True, help="Folds of k-fold, and inner ones of nested."),
    click.option(
        "--outer",
        type=click.Choice(["k-fold", "leave-one-group-out"]),
        default="k-fold",
        show_default=True,
        help="Outer folds of nested.",
    ),
    click.option("--outer-folds", type=int, default=5, show_default=True, help="Of --outer k-fold."),
    click.option("--reshuffle", is_flag=True, help="Under holdout, draw the split anew for every trial."),
    click.option(
        "--grid-points",
        type=int,
        default=None,
        help="Points that grid search takes of each continuous range.  [default: such a range is refused]",
    ),
    click.option(
        "--time-budget",
        type=DURATION,
        default=None,
        help="For this run, e.g. 2h: no trial starts that would end later, and what runs then is interrupted. The "
        "searches of nested share it.",
    ),
    click.option("--trial-timeout", type=DURATION, default=None, help="A trial that takes longer, e.g. 20m, fails."),
    click.option(
        "--stop-after-no-improvement",
        type=int,
        default=None,
        metavar="K",
        help="End after K finished trials without a new best.",
    ),
    click.option(
        "--max-retries",
        type=int,
        default=1,
        show_default=True,
        help="How often a trial whose process died is trained again.",
    ),
    click.option(
        "--lease-seconds",
        type=float,
        default=60.0,
        show_default=True,
        help="A process on another machine that is silent for so long has lost its trials.",
    ),
    click.option(
        "--keep",
        type=click.Choice(["best", "all", "none"]),
        default="best",
        show_default=True,
        help="Whose weights stay in <directory>/tuning/<study>/weights.",
    ),
    click.option(
        "--finalists",
        type=int,
        default=5,
        show_default=True,
        help="After the search so many of the best trials (at most one for every four), and today's config, are "
        "trained again; 0: none.",
    ),
    click.option(
        "--fresh-runs",
        type=int,
        default=3,
        show_default=True,
        help="Of each finalist, on fresh seeds and splits; as many more of the winner say how good it is.",
    ),
    click.option("--study-name", default=None, help="Name of the study.  [default: from task and algorithm]"),
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
        help="Where everything is written.",
    ),
    click.option("--fresh", is_flag=True, help="Archive an earlier study of this name and begin anew."),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        default=None,
        help="The config whose values are trial 0, Python or YAML.  [default: src/config.py when it is there]",
    ),
    map_option,
)

best_option = click.option(
    "--best", type=click.Path(path_type=Path), default=BEST, show_default=True, help="The exported winner."
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=CONFIG,
    show_default=True,
    help="The config file, Python or YAML.",
)
seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is random.")
