"""Backups of `config.py`, and the way back.

Each applied patch leaves two files beside the config: `config.py.20250131T120000000000Z.bak`, the old content byte
for byte, and the same name with `.json`, which holds the hashes of the content before and after and where the new
values came from. Both are written before the config itself, so an interrupted apply loses nothing.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydantic

from truetune.errors import ConfigError
from truetune.system.checked_json import UncheckedJson, read_checked, write_checked
from truetune.system.files import write_atomically

_STAMP = "%Y%m%dT%H%M%S%fZ"


class Origin(pydantic.BaseModel, frozen=True):
    """Where applied values came from, and the mapping that took them to the file (see `ConfigMapping`)."""

    comment: str = ""
    scope: str | None = None
    keys: dict[str, str] = {}
    counts: dict[str, str] = {}


class _Record(pydantic.BaseModel, frozen=True):
    sha256_before: str
    sha256_after: str
    origin: Origin = Origin()


@dataclass(frozen=True)
class Backup:
    """The content of a config file before one apply.

    Attributes:
        path: the backup file.
        sha256_before, sha256_after: of the config file around the apply.
        origin: of the values that were applied.
    """

    path: Path
    sha256_before: str
    sha256_after: str
    origin: Origin

    def content(self) -> bytes:
        """The old content.

        Raises:
            ConfigError: the backup itself was damaged or changed.
        """
        data = self.path.read_bytes()
        if _digest(data) != self.sha256_before:
            raise ConfigError(
                f"The backup {self.path} was changed since it was made. Compare it with the config file and restore "
                "by hand what you need."
            )
        return data


def make_backup(config_path: str | Path, before: bytes, after: bytes, origin: Origin) -> Path:
    """Keep `before` beside the config file (beside its target, if it is a symbolic link)."""
    config = _real(config_path)
    path = _next_path(config)
    # A config that only its owner may read must not become public through its backup.
    mode = config.stat().st_mode if config.exists() else None
    write_atomically(path, before, mode)
    record = _Record(sha256_before=_digest(before), sha256_after=_digest(after), origin=origin)
    write_checked(_record_path(path), record.model_dump(mode="json"), indent=2)
    return path


def backups(config_path: str | Path) -> list[Backup]:
    """Backups of a config file, the newest first; those of an apply that was interrupted or undone are left out.

    Raises:
        ConfigError: a backup's record is damaged.
    """
    config = _real(config_path)
    current = _digest(config.read_bytes()) if config.exists() else ""
    found = [_load(path) for path in reversed(_paths(config))]
    while found and found[0].sha256_before == current:
        found.pop(0)
    return found


def surplus(config_path: str | Path, keep: int) -> list[Path]:
    """The backups of a config file but for the newest `keep`, and their records: all that undo would reach last."""
    older = _paths(_real(config_path))[: -keep or None]
    return [path for backup in older for path in (backup, _record_path(backup))]


def undo(config_path: str | Path) -> Path:
    """Put back what the config file held before the last apply; once more goes one further back.

    Returns:
        The backup that was restored. It is gone: the config file holds its content.

    Raises:
        ConfigError: there is nothing to undo, or the file was changed since the apply.
    """
    config = _real(config_path)
    known = backups(config)
    if not known:
        raise ConfigError(f"There is nothing to undo for {config_path}: no backup of an apply stands beside it.")
    newest = known[0]
    if not config.exists() or _digest(config.read_bytes()) != newest.sha256_after:
        raise ConfigError(
            f"{config_path} was changed after the last apply, so undo would lose that change. Compare it with "
            f"{newest.path} and restore by hand what you need, or copy that file over it."
        )
    write_atomically(config, newest.content())
    for path in _paths(config):
        if path >= newest.path:
            _record_path(path).unlink()
            path.unlink()
    return newest.path


def _load(path: Path) -> Backup:
    record_path = _record_path(path)
    try:
        record = read_checked(record_path, _Record.model_validate)
    except UncheckedJson as error:
        raise ConfigError(
            f"{record_path}, the record of a backup, is damaged. The old content stands in {path}: copy it over the "
            "config file if you want it back, and move both files away."
        ) from error
    return Backup(path, record.sha256_before, record.sha256_after, record.origin)


def _paths(config: Path) -> list[Path]:
    """Backup files that have a record, the oldest first; without one, the apply was interrupted before it."""
    if not config.parent.is_dir():
        return []
    prefix = f"{config.name}."
    names = sorted(p.name for p in config.parent.iterdir() if p.name.startswith(prefix) and p.name.endswith(".bak"))
    paths = [config.with_name(name) for name in names if _stamp(name, prefix) is not None]
    return [path for path in paths if _record_path(path).exists()]


def _next_path(config: Path) -> Path:
    """Named after the time now, or just after the newest backup where the clock went back."""
    now = datetime.now(UTC)
    prefix = f"{config.name}."
    stamps = [stamp for p in config.parent.glob("*.bak") if (stamp := _stamp(p.name, prefix)) is not None]
    if stamps:
        now = max(now, max(stamps) + timedelta(microseconds=1))
    return config.with_name(f"{prefix}{now.strftime(_STAMP)}.bak")


def _stamp(name: str, prefix: str) -> datetime | None:
    if not name.startswith(prefix):
        return None
    try:
        return datetime.strptime(name[len(prefix) : -len(".bak")], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _record_path(backup: Path) -> Path:
    return backup.with_name(f"{backup.name}.json")


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
