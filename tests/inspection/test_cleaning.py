"""What `clean` may remove, and what it never does."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from truetune.config.backup import Origin, make_backup
from truetune.data.dataset import Dataset
from truetune.data.shared import save_development
from truetune.inspection.cleaning import find_removable, remove
from truetune.space import Hyperparameter, Space
from truetune.storage.database import sqlite_url
from truetune.storage.leases import Owner
from truetune.storage.store import create_store
from truetune.trial import CHOOSING, FreshRun, Schedule, Trial, TrialState

NEVER = ("tuning/optuna.db", "tuning/study/seal.json", "best_hyperparameters.json")
OURS = ("tuning/study/supervisor.lock", "tuning/study/weights/trial_00001.weights.h5")
FOREIGN = (
    "tuning/study/notes.txt",
    "tuning/study/checkpoints/mine.npz",
    "tuning/study/worker-0.log.old",
    "tuning/other/worker-0.log",
    "cache/my_features.npz",
    "tuning/study_archived_soon/worker-0.log",
    "tuning/study_archived_20260101T000000000000/seal.json",
)
GONE = (
    "tuning/study/checkpoints/trial_00001.npz",
    "tuning/study/checkpoints/trial_00001_fold_4.npz",
    "tuning/study/checkpoints/fresh_choosing_00001_0_fold_2.npz",
    "tuning/study/data/7-dead/index.json",
    "tuning/study/worker-0.log",
    "tuning/study/.seal.json.0123abcd.tmp",
    "tuning/study_archived_20260101T000000000000/worker-1.log",
    "tuning/study_archived_20260101T000000000000/checkpoints/fresh_choosing_00001_0_fold_2.npz",
    "tuning/study_archived_20260101T000000000000/keras_tuner/trial_0001/trial.json",
    f"cache/features-{'0' * 32}.npz",
)
RUNNING = (
    "tuning/study/checkpoints/trial_00002.npz",
    "tuning/study/checkpoints/trial_00002_fold_1.npz",
    "tuning/study/checkpoints/trial_00003.npz",
    "tuning/study/checkpoints/fresh_choosing_00001_1_fold_2.npz",
    "tuning/study/checkpoints/fresh_confirming_00001_0_fold_2.npz",
)


def trial(number, state, **fields):
    score = 0.5 if state is TrialState.COMPLETE else None
    return Trial(number, state, {"units": 1 + number}, score=score, reports={1: 0.5}, parameters=1, **fields)


def record(folder, owner=None):
    """Trials 0 and 1 have ended, 2 runs, 3 may be promoted; of trial 1's re-trainings, one has ended."""
    space = Space()
    space.add(Hyperparameter("Int", "units", 1, low=1, high=9, step=1))
    store = create_store(sqlite_url(folder / "tuning" / "optuna.db"), "study", "max", "score", owner=owner)
    for number, schedule in enumerate([Schedule(), Schedule(), Schedule(), Schedule(bracket=0, round=0)]):
        begun = trial(number, TrialState.RUNNING, schedule=schedule)
        store.start(begun, space)
        if number != 2:
            store.finish(replace(begun, state=TrialState.COMPLETE, score=0.5), space, {})
    store.add_fresh(FreshRun(1, 0, CHOOSING, 0.5, 0.5, 1.0))
    return store


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    for name in (*NEVER[1:], *OURS, *FOREIGN, *GONE, *RUNNING):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0123456789")
    return folder


def names(found, folder):
    return sorted(file.relative_to(folder).as_posix() for removable in found for file in removable.files)


def test_it_names_what_nobody_needs_and_nothing_else(models, tmp_path):
    record(models).close()
    found = find_removable(models, tmp_path / "config.py")
    assert names(found, models) == sorted(GONE)
    assert sum(removable.size for removable in found) == 10 * len(GONE)


def test_the_workers_copy_of_the_rows_goes_as_it_was_written(models, tmp_path):
    """Clean once looked for names that the writer had given up, and left gigabytes behind."""
    record(models).close()
    folder = models / "tuning" / "study" / "data" / "8-dead"
    ones = np.ones(4, "float32")
    rows = {"left": ones[:, None], "right": ones[:, None]}
    save_development(folder, Dataset(rows, ones, groups=np.array(list("abcd")), sample_weight=ones))
    written = {path.relative_to(models).as_posix() for path in folder.iterdir()}
    assert len(written) == 6  # two inputs, labels, groups, weights, the index
    assert written <= set(names(find_removable(models, tmp_path / "config.py"), models))


def test_what_was_named_is_removed_with_its_empty_folders(models, tmp_path):
    record(models).close()
    assert remove(find_removable(models, tmp_path / "config.py")) == 10 * len(GONE)
    left = {path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file()}
    assert left == {*NEVER, *OURS, *FOREIGN, *RUNNING}
    assert not (models / "tuning" / "study" / "data").exists()
    assert find_removable(models, tmp_path / "config.py") == []


def test_of_a_study_that_runs_only_what_others_left(models, tmp_path):
    store = record(models)
    store.beat(1)
    mine = models / "tuning" / "study" / "data" / store.owner.token / "index.json"
    mine.parent.mkdir()
    mine.touch()
    found = names(find_removable(models, tmp_path / "config.py"), models)
    assert "tuning/study/data/7-dead/index.json" in found
    assert not {"tuning/study/worker-0.log", "tuning/study/.seal.json.0123abcd.tmp"} & set(found)
    assert mine.relative_to(models).as_posix() not in found
    store.close()


def test_processes_of_other_machines_are_taken_to_live(models, tmp_path):
    store = record(models, owner=Owner("9-far", "another-host/boot/pid", 9, "1"))
    store.beat(1)
    assert "tuning/study/worker-0.log" not in names(find_removable(models, tmp_path / "config.py"), models)
    store.close()


def test_without_a_record_no_study_is_touched(models, tmp_path):
    found = names(find_removable(models, tmp_path / "config.py"), models)
    assert [name for name in found if name.startswith("tuning/study/")] == []


def test_links_are_not_followed_and_not_removed(models, tmp_path):
    record(models).close()
    outside = tmp_path / "outside.npz"
    outside.write_bytes(b"mine")
    link = models / "tuning" / "study" / "checkpoints" / "trial_00000.npz"
    link.symlink_to(outside)
    (models / "tuning" / "linked_archived_20260101T000000000000").symlink_to(models / "tuning" / "other")
    remove(find_removable(models, tmp_path / "config.py"))
    assert outside.read_bytes() == b"mine"
    assert link.is_symlink()
    assert (models / "tuning" / "other" / "worker-0.log").exists()


def test_the_newest_three_backups_stay(tmp_path):
    config = tmp_path / "config.py"
    made = []
    for number in range(5):
        before, after = f"X = {number}\n".encode(), f"X = {number + 1}\n".encode()
        config.write_bytes(after)
        made.append(make_backup(config, before, after, Origin()))
    (found,) = find_removable(tmp_path / "models", config)
    assert {os.path.basename(file) for file in found.files} == {
        name for path in made[:2] for name in (path.name, f"{path.name}.json")
    }
    remove([found])
    assert config.exists()
    assert all(path.exists() for path in made[2:])


def test_nothing_there(tmp_path):
    assert find_removable(tmp_path / "models", tmp_path / "config.py") == []
