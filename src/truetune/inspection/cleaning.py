"""`truetune clean`: which files nobody needs any more.

Only files whose names truetune gives itself are ever named, and never the record, a seal or an exported winner. What
belongs to a study is judged from its record: of a study that is not in it, nothing is touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from truetune.config.backup import surplus
from truetune.data.reading import cache
from truetune.storage.database import sqlite_url
from truetune.storage.leases import Owner
from truetune.storage.paths import StudyPlace
from truetune.trial import Trial, TrialState

KEPT_BACKUPS = 3
"""Of a config file; the newest."""

_CHECKPOINT = re.compile(r"checkpoints/trial_(?P<number>\d+)(_fold_\d+)?\.npz")
_FRESH_FOLD = re.compile(r"checkpoints/fresh_\w+_fold_\d+\.npz")
_ARRAY = re.compile(r"data/(?P<owner>[^/]+)/(index\.json|(train|validation)\.[Xy]\.\d+\.npy)")
_LOG = re.compile(r"worker-\d+\.log")
_UNFINISHED = re.compile(r"(.+/)?\.[^/]+\.[0-9a-f]{8}\.tmp|weights/\.[0-9a-f]{8}\.weights\.h5")
_WEIGHTS = re.compile(r"weights/trial_\d+\.weights\.h5")
_PROJECT = re.compile(r"keras_tuner/(oracle\.json|tuner0\.json|trial_\d+/trial\.json)")
_ARCHIVED = re.compile(r".+_archived_\d{8}T\d{12}")


@dataclass(frozen=True)
class Removable:
    """Files that may go.

    Attributes:
        what: in words.
        place: the folder they are in.
        files: none of them a link.
    """

    what: str
    place: Path
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes that are free once they are gone."""
        return sum(file.lstat().st_size for file in self.files if file.exists())


@dataclass(frozen=True)
class _Known:
    """What the record says of one study: its trials, and who works on it, by token."""

    trials: Mapping[int, Trial]
    owners: Mapping[str, Owner]

    @property
    def is_alive(self) -> bool:
        return any(may_live(owner) for owner in self.owners.values())


def may_live(owner: Owner) -> bool:
    """A process of another machine is taken to live."""
    return owner.runs_here() is not False


def find_removable(directory: Path, config: Path, storage: str | None = None) -> list[Removable]:
    """What may go, in the order in which it is shown.

    Args:
        directory: where searches write, e.g. `models`.
        config: the config file whose old backups are looked for.
        storage: database URL; None is `<directory>/tuning/optuna.db`.

    Raises:
        StudyError, StorageError: the record cannot be read.
    """
    found = [*_of_studies(directory, storage), _features(directory / "cache"), _backups(config)]
    return [removable for removable in found if removable.files]


def remove(found: Iterable[Removable]) -> int:
    """Remove the files, and folders that are empty then; returns the bytes that were freed."""
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
            yield Removable("files of an archived study, its seal kept", folder, tuple(matching))
        elif known is not None:
            yield from _of_study(folder, known)


def _known(place: StudyPlace, storage: str | None) -> _Known | None:
    """None where the record does not hold the study."""
    from truetune.storage.store import Store, study_exists

    if storage is None and not (place.directory / "tuning" / "optuna.db").exists():
        return None
    if not study_exists(place.url, place.name):
        return None
    store = Store.open_existing(place.url, place.name)
    try:
        owners = {token: owner for token, (owner, _) in store.owners().items()}
        return _Known({trial.number: trial for trial in store.trials()}, owners)
    finally:
        store.close()


def _of_study(folder: Path, known: _Known) -> Iterator[Removable]:
    def is_over(found: re.Match[str]) -> bool:
        trial = known.trials.get(int(found["number"]))
        return trial is not None and _is_done_with(trial)

    def is_left(found: re.Match[str]) -> bool:
        owner = known.owners.get(found["owner"])
        return owner is None or not may_live(owner)

    checkpoints = _files(folder, _CHECKPOINT, is_over)
    yield Removable("checkpoints of trials that have ended", folder / "checkpoints", checkpoints)
    yield Removable("data that dead processes left", folder / "data", _files(folder, _ARRAY, is_left))
    if not known.is_alive:
        yield Removable("what workers printed", folder, _files(folder, _LOG))
        yield Removable("files that were being written when a process died", folder, _files(folder, _UNFINISHED))


def _is_done_with(trial: Trial) -> bool:
    """A trial of a Hyperband bracket may still be promoted; the search itself removes its checkpoint in time."""
    may_be_promoted = trial.schedule.bracket is not None and trial.state is not TrialState.FAILED
    return trial.state.is_finished and not may_be_promoted


def _files(
    folder: Path, name: re.Pattern[str], wanted: Callable[[re.Match[str]], bool] = lambda found: True
) -> tuple[Path, ...]:
    """Files below `folder` whose path from there is `name`; links are none of ours."""
    files = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        found = name.fullmatch(path.relative_to(folder).as_posix())
        if found and path.is_file() and not path.is_symlink() and wanted(found):
            files.append(path)
    return tuple(files)


def _features(folder: Path) -> Removable:
    return Removable("extracted features, computed again when needed", folder, _files(folder, cache.FILES))


def _backups(config: Path) -> Removable:
    what = f"backups of {config.name} but for the newest {KEPT_BACKUPS}, which `truetune undo` reaches"
    return Removable(what, config.parent, tuple(surplus(config, KEPT_BACKUPS)))
