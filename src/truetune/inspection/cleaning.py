"""`truetune clean`: which files are no longer needed.

Only files whose names truetune itself chose are listed, and never the record, a seal or an exported winner. The record
decides what a study still needs: the files of a study that is not in the record are not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from truetune.config.backup import surplus
from truetune.data import shared
from truetune.data.reading import cache
from truetune.storage.database import sqlite_url
from truetune.storage.leases import Owner
from truetune.storage.paths import StudyPlace
from truetune.study import reevaluation
from truetune.study.trials import checkpoint_files
from truetune.trial import PlannedRun, Trial, TrialState

KEPT_BACKUPS = 3
"""Newest backups of a config file that stay."""

_CHECKPOINT = re.compile(f"checkpoints/{checkpoint_files.FILES}")
_FRESH_FOLD = re.compile(f"checkpoints/{reevaluation.FOLD_FILES}")
_ARRAY = re.compile(rf"data/(?P<owner>[^/]+)/{shared.FILES}")
_LOG = re.compile(r"worker-\d+\.log")
_UNFINISHED = re.compile(r"(.+/)?\.[^/]+\.[0-9a-f]{8}\.tmp|weights/\.[0-9a-f]{8}\.weights\.h5")
_WEIGHTS = re.compile(r"weights/trial_\d+\.weights\.h5")
_PROJECT = re.compile(r"keras_tuner/(oracle\.json|tuner0\.json|trial_\d+/trial\.json)")
_ARCHIVED = re.compile(r".+_archived_\d{8}T\d{12}")


@dataclass(frozen=True)
class Removable:
    """Files that can be removed.

    Attributes:
        what: description of the files.
        place: the folder that holds them.
        files: regular files; links are never removed.
    """

    what: str
    place: Path
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes that removing the files frees."""
        return sum(file.lstat().st_size for file in self.files if file.exists())


@dataclass(frozen=True)
class _Known:
    """One study in the record: its trials by number, its ended re-trainings, and its processes by token."""

    trials: Mapping[int, Trial]
    ended_runs: frozenset[PlannedRun]
    owners: Mapping[str, Owner]

    @property
    def is_alive(self) -> bool:
        return any(may_live(owner) for owner in self.owners.values())


def may_live(owner: Owner) -> bool:
    """Whether the process may be running; one on another machine is assumed to be."""
    return owner.runs_here() is not False


def find_removable(directory: Path, config: Path, storage: str | None = None) -> list[Removable]:
    """What can be removed, in the order in which it is listed.

    Args:
        directory: output folder of searches, e.g. `models`.
        config: the config file whose old backups are listed.
        storage: database URL; None means `<directory>/tuning/optuna.db`.

    Raises:
        StudyError, StorageError: the record cannot be read.
    """
    found = [*_of_studies(directory, storage), _features(directory / "cache"), _backups(config)]
    return [removable for removable in found if removable.files]


def remove(found: Iterable[Removable]) -> int:
    """Remove the files and the folders left empty; return the number of bytes freed."""
    freed = 0
    for removable in found:
        for file in removable.files:
            freed += file.lstat().st_size if file.exists() else 0
            file.unlink(missing_ok=True)
        for folder in sorted({f.parent for f in removable.files} | {removable.place}, reverse=True):
            if removable.place in (folder, *folder.parents) and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    return freed


def _of_studies(directory: Path, storage: str | None) -> Iterator[Removable]:
    tuning = directory / "tuning"
    url = storage or sqlite_url(tuning / "optuna.db")
    for folder in sorted(tuning.iterdir()) if tuning.is_dir() else ():
        if not folder.is_dir() or folder.is_symlink():
            continue
        known = _known(StudyPlace(directory, folder.name, url), storage)
        if _ARCHIVED.fullmatch(folder.name) and (known is None or not known.is_alive):
            names = (_CHECKPOINT, _FRESH_FOLD, _ARRAY, _LOG, _UNFINISHED, _WEIGHTS, _PROJECT)
            matching = [file for name in names for file in _files(folder, name)]
            yield Removable("files of an archived study (its seal stays)", folder, tuple(matching))
        elif known is not None:
            yield from _of_study(folder, known)


def _known(place: StudyPlace, storage: str | None) -> _Known | None:
    """The study in the record; None if the record does not contain it."""
    from truetune.storage.store import open_store, study_exists

    if storage is None and not (place.directory / "tuning" / "optuna.db").exists():
        return None
    if not study_exists(place.url, place.name):
        return None
    store = open_store(place.url, place.name)
    try:
        owners = {token: owner for token, (owner, _) in store.owners().items()}
        ended = frozenset(PlannedRun(run.trial, run.repeat, run.stage) for run in store.fresh_runs())
        return _Known({trial.number: trial for trial in store.trials()}, ended, owners)
    finally:
        store.close()


def _of_study(folder: Path, known: _Known) -> Iterator[Removable]:
    def is_over(found: re.Match[str]) -> bool:
        trial = known.trials.get(int(found["number"]))
        return trial is not None and _is_done_with(trial)

    def is_recorded(found: re.Match[str]) -> bool:
        return PlannedRun(int(found["trial"]), int(found["repeat"]), found["stage"]) in known.ended_runs

    def is_left(found: re.Match[str]) -> bool:
        owner = known.owners.get(found["owner"])
        return owner is None or not may_live(owner)

    checkpoints = (*_files(folder, _CHECKPOINT, is_over), *_files(folder, _FRESH_FOLD, is_recorded))
    yield Removable("checkpoints of finished trials", folder / "checkpoints", checkpoints)
    yield Removable("data left by dead processes", folder / "data", _files(folder, _ARRAY, is_left))
    if not known.is_alive:
        yield Removable("worker logs", folder, _files(folder, _LOG))
        yield Removable("unfinished files of dead processes", folder, _files(folder, _UNFINISHED))


def _is_done_with(trial: Trial) -> bool:
    """Whether the trial needs no checkpoint. Hyperband may still promote a trial; the search removes its checkpoint."""
    may_be_promoted = trial.schedule.bracket is not None and trial.state is not TrialState.FAILED
    return trial.state.is_finished and not may_be_promoted


def _files(
    folder: Path, name: re.Pattern[str], wanted: Callable[[re.Match[str]], bool] = lambda found: True
) -> tuple[Path, ...]:
    """Regular files below `folder` whose relative path matches `name` and that are `wanted`; no links."""
    files = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        found = name.fullmatch(path.relative_to(folder).as_posix())
        if found and path.is_file() and not path.is_symlink() and wanted(found):
            files.append(path)
    return tuple(files)


def _features(folder: Path) -> Removable:
    return Removable("extracted features, recomputed when needed", folder, _files(folder, cache.FILES))


def _backups(config: Path) -> Removable:
    what = f"backups of {config.name} except the newest {KEPT_BACKUPS}"
    return Removable(what, config.parent, tuple(surplus(config, KEPT_BACKUPS)))
