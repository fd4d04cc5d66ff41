"""Where a study lives on disk, who may write to it, and whether it still fits the command."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock

from truetune.errors import StudyError
from truetune.space import Space
from truetune.storage.database import sqlite_url
from truetune.storage.names import ending_in
from truetune.system.files import storage_error

WAY_OUT = (
    "Use the study's original settings, or start over with --fresh (which archives it), or choose another --study-name."
)

SETUP_SECONDS = 60.0
"""How long a process waits for another one to open the study."""


@dataclass(frozen=True)
class StudyPlace:
    """Paths of one study.

    Attributes:
        directory: e.g. `models`.
        name: of the study.
        url: of the database.
    """

    directory: Path
    name: str
    url: str = field(repr=False)

    @classmethod
    def of(cls, directory: Path, name: str, storage: str | None) -> StudyPlace:
        return cls(directory, name, storage or sqlite_url(directory / "tuning" / "optuna.db"))

    def outer(self, number: int) -> StudyPlace:
        """Of the search in an outer fold: the same record, and another folder, since the rows that one fold seals are
        tuned on in another one.
        """
        return StudyPlace(self.outer_folds / str(number), ending_in(self.name, f"_outer_{number}"), self.url)

    @property
    def folder(self) -> Path:
        """Beside the database: the seal, logs, checkpoints, KerasTuner's project."""
        return self.directory / "tuning" / self.name

    @property
    def seal(self) -> Path:
        return self.folder / "seal.json"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def weights(self) -> Path:
        return self.folder / "weights"

    @property
    def outer_folds(self) -> Path:
        """Of a nested evaluation: its searches, and what their winners were measured to be."""
        return self.folder / "outer"

    @property
    def keras_tuner(self) -> Path:
        return self.folder / "keras_tuner"

    def make(self) -> None:
        """Create the folder. Raises StorageError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self.folder, error) from error

    @contextmanager
    def locked(self, advice: str) -> Iterator[None]:
        """Keep a second process out; the system drops the lock when this one dies.

        Raises:
            StudyError: another process has it; `advice` is the remedy.
        """
        with self._lock("supervisor.lock", 0.0, advice):
            yield

    @contextmanager
    def set_up_alone(self) -> Iterator[None]:
        """Let processes that share the study open it one after the other."""
        with self._lock("setup.lock", SETUP_SECONDS, "It has been opening the study for unusually long; stop it."):
            yield

    @contextmanager
    def _lock(self, name: str, seconds: float, advice: str) -> Iterator[None]:
        lock = filelock.FileLock(self.folder / name)
        try:
            lock.acquire(timeout=seconds)
        except filelock.Timeout:
            raise StudyError(f"Another process is tuning study '{self.name}'. {advice}") from None
        except OSError as error:
            raise storage_error(self.folder, error) from error
        try:
            yield
        finally:
            lock.release()

    def archive(self) -> Path | None:
        """Move the files of an earlier study aside, all but the locks; None where there were none."""
        earlier = [path for path in self.folder.iterdir() if path.suffix != ".lock"]
        if not earlier:
            return None
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
        kept = self.folder.with_name(f"{self.name}_archived_{stamp}")
        kept.mkdir()
        for path in earlier:
            path.rename(kept / path.name)
        return kept

    def clear_scratch(self, owners: Collection[str]) -> None:
        """Remove the arrays that processes left which are not among `owners` any more."""
        for left in self.data.iterdir() if self.data.is_dir() else ():
            if left.name not in owners:
                shutil.rmtree(left, ignore_errors=True)


def check_unchanged(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to continue a study that was made with different settings.

    Raises:
        StudyError: with every difference, and the ways out.
    """
    labels = {
        "method": "method",
        "algorithm": "tuning algorithm",
        "objective": "objective",
        "seed": "seed",
        "epochs": "epochs",
        "stages": "stages",
        "data": "data",
        "protocol": "protocol",
        "sealed": "sealed test rows",
    }
    lines = [
        f"{label}: was {_shown(before[key])}, now {_shown(now[key])}"
        for key, label in labels.items()
        if key in now and key in before and before[key] != now[key]
    ]
    lines += _changed_options(before.get("options", {}), now.get("options", {}))
    if "space" in before and "space" in now:
        changed = Space.from_config(before["space"]).differences(Space.from_config(now["space"]))
        lines += [f"search space: {line}" for line in changed]
    if lines:
        raise StudyError("\n".join([f"Study '{name}' was made with different settings:", *_indent(lines), WAY_OUT]))


def _changed_options(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """An option that the task had not, or has no more, is no change of the study."""
    return [
        f"option {flag}: was {before[flag]}, now {value}"
        for flag, value in now.items()
        if flag in before and before[flag] != value
    ]


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)
