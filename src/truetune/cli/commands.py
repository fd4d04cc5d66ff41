"""`truetune apply`, `undo`, `train`, `verify`, `status`, `doctor`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from truetune.cli.errors import reported
from truetune.cli.mapped import Tuned, config_words, takes_tuned, winners_mapping
from truetune.cli.options import BEST, best_option, config_option, map_option, seed_option
from truetune.cli.task_options import METAVAR, TaskCommand, task_options
from truetune.cli.trust import MODELS, task_of

if TYPE_CHECKING:
    from truetune.results.export import BestHyperparameters
    from truetune.tasks.choice import TaskChoice
    from truetune.verification.pairs import PairedTraining

NOT_IMPROVED = 5
"""Exit code of `verify --require-improvement`."""


@click.command()
@best_option
@config_option
@map_option
@click.option(
    "--task",
    "task_spec",
    default=None,
    metavar=METAVAR,
    help="Task that maps hyperparameters to the config.  [default: the one that was tuned]",
)
@click.option(
    "--scope", default=None, help="Class or dict in the config that contains the keys.  [default: the task's]"
)
@click.option("--yes", "-y", is_flag=True, help="Write without asking.")
@click.option("--dry-run", is_flag=True, help="Print the diff without writing.")
@reported
def apply(
    best: Path,
    config: Path,
    pairs: tuple[str, ...],
    task_spec: str | None,
    scope: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Write the winner into the config.

    Shows the diff, asks for confirmation, writes, and keeps a backup.
    """
    from truetune.config.apply import apply as make_patch
    from truetune.results.export import load

    winner = load(best)
    has_task = task_spec is not None or bool(winner.metadata.data.source)
    mapping = task_of(winner, best, task_spec).mapping() if has_task else None
    patch = make_patch(winner, config, winners_mapping(mapping, pairs, winner.hyperparameters), scope)
    for key in patch.missing:
        click.echo(f"{config} has no key for {key}; skipped.")
    for note in patch.notes:
        click.echo(note)
    advice = winner.metadata.finalists
    if advice is not None and advice.recommendation == "keep today's":
        click.echo("The re-evaluation found no gain beyond the noise; the recommendation is to keep today's config.")
    if not patch.changes:
        click.echo(f"{config} already has these values; nothing was changed.")
        return
    click.echo(patch.diff())
    if dry_run or not (yes or click.confirm(f"Write {len(patch.changes)} changes to {config}?", default=True)):
        click.echo("Nothing was changed.")
        return
    backup = patch.write()
    click.echo(f"Wrote {config}; backup: {backup}. To undo: truetune undo{config_words(config, ())}")
    click.echo(_after_apply(winner, best, config, pairs))


def _after_apply(winner: BestHyperparameters, best: Path, config: Path, pairs: tuple[str, ...]) -> str:
    """The commands to run next: the task's own script if it is beside its config, else `truetune train`."""
    from truetune.tasks.registry import TASKS

    given = config_words(config, pairs)
    if best != BEST and best.name == BEST.name:
        given += f" --directory {shlex.quote(str(best.parent))}"
    entry = TASKS.get((winner.metadata.data.source or {}).get("task_spec", ""))
    script = None if entry is None or entry.train_script is None else config.with_name(entry.train_script)
    is_there = script is not None and script.is_file()
    retrain = f"python {script}" if is_there and not given else f"truetune train{given}"
    return f"Next: {retrain}, then truetune verify{given}"


@click.command()
@config_option
@reported
def undo(config: Path) -> None:
    """Restore the config from before the last apply."""
    from truetune.config.apply import undo as restore

    click.echo(f"Restored {config} from {restore(config)}.")


class TunedTaskCommand(TaskCommand):
    """A command whose task is the one of the last search in --directory, unless another is named."""

    def earlier(self, words: dict[str, Any]) -> TaskChoice | None:
        from truetune.results.export import load

        best = Path(words.get("directory", MODELS)) / BEST.name
        return task_of(load(best), best, words.get("task_spec")) if best.exists() else None


def finish_options(command: Any) -> Any:
    """What `train` and `verify` share."""
    command = takes_tuned(command)
    for option in (
        click.option(
            "--directory",
            type=click.Path(path_type=Path),
            default=Path("models"),
            show_default=True,
            help="Folder of the study and of all output.",
        ),
        config_option,
        map_option,
        task_options,
    ):
        command = option(command)
    return command


@click.command(cls=TunedTaskCommand)
@finish_options
@seed_option
@reported
def train(seed: int, tuned: Tuned) -> None:
    """Train the final model from the config and save it.

    Uses training and validation rows; the test set stays sealed.
    """
    from truetune.config.languages import read_config
    from truetune.training.tensorflow_start import start_tensorflow

    read_config(tuned.config)  # fail before anything slow if it cannot be read
    task = tuned.make_task()
    start_tensorflow()
    from truetune.verification.retrain import retrain_from_config

    click.echo(f"Training {task.name} from {tuned.config} ({task.load().kind}) …")
    click.echo(str(retrain_from_config(task, tuned.config, tuned.directory, seed=seed, epochs=tuned.choice.epochs)))


@click.command(cls=TunedTaskCommand)
@finish_options
@seed_option
@click.option(
    "--seeds",
    type=int,
    default=7,
    show_default=True,
    help="Number of training pairs; at least 5, and at least 6 for a verdict.",
)
@click.option("--require-improvement", is_flag=True, help='Exit with code 5 unless the verdict is "improved".')
@click.option(
    "--dry-run", is_flag=True, help="Print the smallest detectable difference without opening the sealed rows."
)
@reported
def verify(seed: int, seeds: int, require_improvement: bool, dry_run: bool, tuned: Tuned) -> None:
    """Compare the config before and after the last apply on the sealed test set.

    Both are trained on the same seeds. Each look at the test set is recorded in a ledger beside the study; every result
    after the first is exploratory. Use --dry-run to choose the number of seeds beforehand.
    """
    from truetune.config.apply import before_values
    from truetune.config.languages import read_config
    from truetune.training.tensorflow_start import start_tensorflow
    from truetune.verification.verify import VerifyOptions, check_pairs, foresee_from_config, verify_from_config

    check_pairs(seeds)
    if dry_run:
        task = tuned.choice.make(tuned.directory / "cache")
        start_tensorflow()
        click.echo(foresee_from_config(task, tuned.directory, VerifyOptions(seeds, seed)))
        click.echo("Nothing was trained; the sealed rows stay sealed.")
        return
    read_config(tuned.config)
    before_values(tuned.config)  # fail before anything slow if something is missing
    task = tuned.make_task()
    start_tensorflow()
    click.echo(f"Training {2 * seeds} models, before and after the last apply to {tuned.config} ({task.load().kind}) …")
    options = VerifyOptions(seeds, seed, announce=click.echo, progress=_print_training)
    found = verify_from_config(task, tuned.config, tuned.directory, options)
    click.echo(str(found))
    if require_improvement and found.verdict.outcome != "improved":
        raise SystemExit(NOT_IMPROVED)


def _print_training(training: PairedTraining) -> None:
    place = f"{training.done}/{training.total}"
    kept = "  (trained before the interruption)" if training.was_kept else ""
    click.echo(f"  {place:>5}  seed {training.seed:<10}  {training.side:<6}  {training.score:.4f}{kept}")


@click.command()
@click.option(
    "--storage",
    default=None,
    envvar="TRUETUNE_STORAGE",
    show_envvar=True,
    help="Database URL.  [default: sqlite:///models/tuning/optuna.db]",
)
@click.option("--study-name", default=None, help="Study whose trials are listed, with the reasons for failures.")
@reported
def status(storage: str | None, study_name: str | None) -> None:
    """List studies, their progress, and why trials failed."""
    from rich.console import Console

    from truetune.report.terminal.status import print_studies, print_study
    from truetune.storage.database import sqlite_url

    url = storage or sqlite_url(Path("models/tuning/optuna.db"))
    if study_name is None:
        print_studies(Console(), url)
    else:
        print_study(Console(), url, study_name)


@click.command()
@reported
def doctor() -> None:
    """Check that this machine meets truetune's requirements."""
    from truetune.inspection.doctor import diagnose

    findings = diagnose()
    for finding in findings:
        click.echo(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.what}: {finding.found}")
        if not finding.ok:
            click.echo(f"         {finding.remedy}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)
