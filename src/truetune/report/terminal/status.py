"""Studies and their trials as tables."""

from __future__ import annotations

from pathlib import Path

import optuna
from rich.console import Console
from rich.table import Column, Table

from truetune.errors import StudyError
from truetune.storage.database import open_storage, storage_errors
from truetune.storage.store import open_store, study_names
from truetune.storage.url import without_password


def print_studies(console: Console, url: str) -> None:
    """Print one row per study: its trials by state, and the best score."""
    _check_there(url)
    storage = open_storage(url)
    columns = ("trials", "complete", "pruned", "failed", "running", "best")
    table = Table(Column("study", overflow="fold"), *columns)
    with storage_errors(url):
        for name in sorted(optuna.get_all_study_names(storage)):
            table.add_row(*_row(optuna.load_study(study_name=name, storage=storage)))
    console.print(table)
    storage.engine.dispose()


def _row(study: optuna.Study) -> list[str]:
    trials = study.get_trials(deepcopy=False)
    counts = [sum(t.state.name == state for t in trials) for state in ("COMPLETE", "PRUNED", "FAIL", "RUNNING")]
    best = f"{study.best_value:.4f} (trial {study.best_trial.number})" if counts[0] else "–"
    return [study.study_name, str(len(trials)), *map(str, counts), best]


def print_study(console: Console, url: str, name: str) -> None:
    """Print one row per trial, with the reason for each failure.

    Raises:
        StudyError: the study does not exist.
    """
    _check_there(url)
    known = study_names(url)
    if name not in known:
        raise StudyError(
            f"There is no study '{name}' in {without_password(url)}. "
            + (f"Expected one of: {', '.join(known)}." if known else "It holds no studies yet; run `truetune tune`.")
        )
    store = open_store(url, name)
    table = Table("trial", "state", "score", "epochs", "seconds", "parameters", "reason", title=name)
    for t in store.trials():
        score = "–" if t.score is None else f"{t.score:.4f}"
        table.add_row(str(t.number), t.state, score, str(t.epochs), f"{t.seconds:.1f}", f"{t.parameters:,}", t.reason)
    console.print(table)
    store.close()


def _check_there(url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        raise StudyError(f"There is no study database at {path}. Run `truetune tune` first, or pass --storage.")
