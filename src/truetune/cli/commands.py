"""`truetune apply`, `undo`, `train`, `verify`, `status`, `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from truetune.cli.errors import reported
from truetune.cli.options import best_option, config_option, seed_option, task_options

if TYPE_CHECKING:
    from truetune.results.finish import Finish


@click.command()
@best_option
@config_option
@click.option("--scope", default=None, help="Class or dict in the config that holds the keys.  [default: the task's]")
@click.option("--yes", "-y", is_flag=True, help="Write without asking.")
@click.option("--dry-run", is_flag=True, help="Show the diff and write nothing.")
@reported
def apply(best: Path, config: Path, scope: str | None, yes: bool, dry_run: bool) -> None:
    """Write the winner into the config: shows the diff, asks, writes, keeps a backup."""
    from truetune.results.apply import apply as make_patch
    from truetune.results.export import load
    from truetune.tasks.choice import TaskChoice

    winner = load(best)
    mapping = TaskChoice.from_source(winner.metadata.data.source).mapping()
    patch = make_patch(winner, config, mapping, scope)
    for key in patch.missing:
        click.echo(f"{config} has no key for {key}; it stays out.")
    if not patch.changes:
        click.echo(f"{config} holds these values already; nothing was changed.")
        return
    click.echo(patch.diff())
    if dry_run or not (yes or click.confirm(f"Write {len(patch.changes)} changes to {config}?", default=True)):
        click.echo("Nothing was changed.")
        return
    backup = patch.write()
    click.echo(f"{config} was written; the earlier one is kept as {backup}. Undo with: truetune undo")
    click.echo("Next: python src/train_emotion_model.py, then truetune verify")


@click.command()
@config_option
@reported
def undo(config: Path) -> None:
    """Put back the config as it was before the last apply."""
    from truetune.results.apply import undo as restore

    click.echo(f"{config} is back as it was in {restore(config)}.")


def finish_options(command: Any) -> Any:
    """What `train` and `verify` share."""
    for option in (
        click.option(
            "--directory",
            type=click.Path(path_type=Path),
            default=Path("models"),
            show_default=True,
            help="Where the study is, and where everything is written.",
        ),
        config_option,
        best_option,
        task_options,
    ):
        command = option(command)
    return command


@click.command()
@finish_options
@seed_option
@reported
def train(seed: int, **chosen: Any) -> None:
    """Retrain from the config on training and validation rows, save the model, and test it on the sealed rows."""
    finish = _finish(chosen)
    click.echo(f"Training on {len(finish.development)} rows ({finish.task.load().kind}) …")
    trained = finish.train(seed)
    for name, value in trained.metrics.items():
        click.echo(f"test {name}: {value:.4f}")
    click.echo(f"Model: {trained.files.model}\nHistory: {trained.files.history}")


@click.command()
@finish_options
@seed_option
@click.option("--seeds", type=int, default=5, show_default=True, help="Pairs of trainings, at least 5.")
@click.option("--require-improvement", is_flag=True, help="Exit with 5 unless the verdict is 'improved'.")
@reported
def verify(seed: int, seeds: int, require_improvement: bool, **chosen: Any) -> None:
    """Train the config before and after the last apply on the same seeds and compare them on the sealed rows."""
    finish = _finish(chosen)
    click.echo(f"{2 * seeds} trainings on {len(finish.development)} rows ({finish.task.load().kind}) …")
    found = finish.verify(
        seeds, seed, lambda t: click.echo(f"  {t.done}/{t.total}  seed {t.seed}  {t.side}: {t.score:.4f}")
    )
    click.echo(str(found))
    if require_improvement and found.verdict.outcome != "improved":
        raise SystemExit(5)


def _finish(chosen: dict[str, Any]) -> Finish:
    from truetune.results.finish import Finish
    from truetune.tasks.choice import TaskChoice

    directory, best, config = chosen.pop("directory"), chosen.pop("best"), chosen.pop("config")
    return Finish.open(TaskChoice(**chosen), directory, best, config)


@click.command()
@click.option("--storage", default=None, help="Database URL.  [default: sqlite:///models/tuning/optuna.db]")
@click.option("--study-name", default=None, help="Show the trials of this study, with the reasons of failures.")
@reported
def status(storage: str | None, study_name: str | None) -> None:
    """What studies there are, how far they are, and why trials failed."""
    from rich.console import Console

    from truetune.report.status import print_studies, print_study
    from truetune.study.store import sqlite_url

    url = storage or sqlite_url(Path("models/tuning/optuna.db"))
    if study_name is None:
        print_studies(Console(), url)
    else:
        print_study(Console(), url, study_name)


@click.command()
@reported
def doctor() -> None:
    """Check that this machine has what truetune needs."""
    from truetune.doctor import diagnose

    findings = diagnose()
    for finding in findings:
        click.echo(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.what}: {finding.found}")
        if not finding.ok:
            click.echo(f"         {finding.remedy}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)
