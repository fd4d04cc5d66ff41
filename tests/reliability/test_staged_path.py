"""Stages, callbacks, options and YAML: killed in every epoch, each command ends like the undisturbed one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from support.staged_path import CONFIG, MAP, StagedPath
from truetune.storage.database import sqlite_url
from truetune.storage.store import open_store

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]


@pytest.fixture
def both(tmp_path):
    """A path that is left alone, and one whose processes die."""
    return StagedPath(tmp_path / "undisturbed", dies=False), StagedPath(tmp_path / "killed", dies=True)


def record(path):
    """All that was measured: of each trial, and of each re-training."""
    url = sqlite_url(path.folder / "models" / "tuning" / "optuna.db")
    from optuna import get_all_study_names

    (name,) = get_all_study_names(url)
    store = open_store(url, name)
    try:
        trials = [replace(trial, seconds=0.0, attempt=0) for trial in store.trials()]
        return trials, [replace(run, seconds=0.0) for run in store.fresh_runs()]
    finally:
        store.close()


def weights(path):
    import keras

    (file,) = (path.folder / "models").glob("*.keras")
    return keras.saving.load_model(file, compile=False).get_weights()


def test_the_whole_path_with_two_workers(both):
    undisturbed, killed = both
    for path in both:
        path.tune("--tuning-algorithm", "random", "--max-trials", "3", "--workers", "2", "--fresh-runs", "2")
    assert record(killed) == record(undisturbed)
    epochs = sum(trial.epochs for trial in record(killed)[0])
    assert killed.died("tune") >= epochs > 3 * 3

    for path in both:
        path.command("apply", "--yes", *MAP)
    texts = [(path.folder / "conf.yaml").read_text() for path in both]
    assert texts[0] == texts[1] != CONFIG
    exported = [json.loads((path.folder / "models" / "best_hyperparameters.json").read_text()) for path in both]
    assert exported[0]["hyperparameters"] == exported[1]["hyperparameters"]
    assert exported[0]["metadata"]["training"] == exported[1]["metadata"]["training"]

    for path in both:
        path.command("train", *MAP)
    assert killed.died("train") >= 3
    for ours, theirs in zip(weights(killed), weights(undisturbed), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    printed = [path.command("verify", "--seeds", "5", *MAP) for path in both]
    assert killed.died("verify") >= 6
    assert printed[1].splitlines()[-4:] == printed[0].splitlines()[-4:]
    assert "10/10" in printed[0]
    assert "(trained before the interruption)" in printed[1]


def test_hyperbands_promotions(both):
    for path in both:
        path.tune("--tuning-algorithm", "hyperband", "--max-trials", "7", "--finalists", "0")
    undisturbed, killed = both
    assert record(killed) == record(undisturbed)
    assert killed.died("tune") >= 7
    assert len({trial.epochs for trial in record(killed)[0]}) > 1, "no trial was promoted"
