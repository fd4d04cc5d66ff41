"""`truetune clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from truetune.cli.errors import reported
from truetune.cli.options import config_option

if TYPE_CHECKING:
    from truetune.inspection.cleaning import Removable


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Output folder of the searches.",
)
@click.option(
    "--storage",
    default=None,
    envvar="TRUETUNE_STORAGE",
    show_envvar=True,
    help="Database URL.  [default: sqlite:///<directory>/tuning/optuna.db]",
)
@config_option
@click.option("--yes", "-y", is_flag=True, help="Remove without asking.")
@click.option("--dry-run", is_flag=True, help="List what would be removed without removing it.")
@reported
def clean(directory: Path, storage: str | None, config: Path, yes: bool, dry_run: bool) -> None:
    """Remove files that are no longer needed.

    Lists them with their sizes and asks first: files of archived studies, data and unfinished files of dead processes,
    checkpoints of finished trials, worker logs, extracted features, and all but the newest three config backups. Keeps
    the record of trials, seals, the exported winner, kept weights, and your own files.
    """
    from truetune.inspection.cleaning import find_removable, remove
    from truetune.system.sizes import show_size

    found = find_removable(directory, config, storage)
    if not found:
        click.echo(f"There is nothing to remove in {directory}.")
        return
    _show(found)
    total = show_size(sum(removable.size for removable in found))
    if dry_run or not (yes or click.confirm(f"Remove these files and free {total}?", default=False)):
        click.echo("Nothing was removed.")
        return
    # A search may have begun while the question was open.
    shown = {file for removable in found for file in removable.files}
    freed = remove(_only(shown, find_removable(directory, config, storage)))
    click.echo(f"Freed {show_size(freed)}.")


def _show(found: list[Removable]) -> None:
    from truetune.system.sizes import show_size

    for removable in found:
        count = f"{len(removable.files)} file{'s' if len(removable.files) > 1 else ''}"
        click.echo(f"{show_size(removable.size):>9}  {count:>10}  {removable.what}: {removable.place}")


def _only(shown: set[Path], found: list[Removable]) -> list[Removable]:
    from dataclasses import replace

    return [replace(one, files=tuple(file for file in one.files if file in shown)) for one in found]
