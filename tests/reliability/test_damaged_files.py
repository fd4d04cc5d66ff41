"""Every file that a search keeps, cut short and with bits flipped: a clear error, or the right result; nothing else."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from support.damage import cuts, flips, try_all
from truetune.config import backup
from truetune.config.apply import before_values, undo
from truetune.data.dataset import Dataset
from truetune.data.reading import cache
from truetune.data.sealing.seal import seal
from truetune.data.shared import load_development, save_development
from truetune.results import export
from truetune.space import Hyperparameter, Space
from truetune.storage.database import sqlite_url
from truetune.storage.store import create_store, open_store
from truetune.trial import Trial, TrialState

pytestmark = pytest.mark.reliability

TRIALS = 12


def data(rows=40):
    rng = np.random.default_rng(0)
    return Dataset(rng.normal(size=(rows, 4)).astype("float32"), np.arange(rows) % 2, groups=np.arange(rows) // 4)


# The database


def space():
    made = Space()
    made.add(Hyperparameter("Float", "rate", 1e-3, low=1e-5, high=1e-1, sampling="log"))
    made.add(Hyperparameter("Choice", "activation", "relu", choices=("relu", "tanh")))
    made.add(Hyperparameter("Int", "units", 8, low=8, high=512, step=1))
    return made


def trial(number):
    values = {"rate": 1e-5 * (number + 1), "activation": ("relu", "tanh")[number % 2], "units": 8 + 7 * number}
    running = Trial(number, TrialState.RUNNING, values, seed=number, parameters=10 * number)
    score = 0.5 + number / 100
    reports = {epoch: score - 0.01 * (3 - epoch) for epoch in (1, 2, 3)}
    if number == 5:
        return replace(running, state=TrialState.FAILED, reason="loss became nan", seconds=0.5)
    state = TrialState.PRUNED if number % 4 == 3 else TrialState.COMPLETE
    return replace(running, state=state, score=score, reports=reports, epochs=3, best_epoch=3, seconds=1.5)


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "optuna.db"
    store = create_store(sqlite_url(path), "study", "max", "val_accuracy")
    store.set_meta({"method": "optuna", "seed": 3, "space": space().to_config()})
    store.discover("units", space()["units"])
    for number in range(TRIALS):
        ended = trial(number)
        store.start(replace(ended, state=TrialState.RUNNING, score=None, reports={}, epochs=0, best_epoch=0), space())
        store.finish(ended, space(), {"loss": [2.0, 1.0, 0.5]})
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


def read_database(path):
    """What the record holds; None where it holds no study of that name."""
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    try:
        store = open_store(sqlite_url(path), "study")
    except KeyError:
        return None
    try:
        # Whose an ended trial was means nothing any more.
        return store.meta, [replace(found, owner="") for found in store.trials()]
    finally:
        store.close()


def test_the_database(database):
    whole = read_database(database)
    assert [t.score for t in whole[1]] == [trial(number).score for number in range(TRIALS)]
    content = database.read_bytes()

    def is_right(found):
        # An empty file is a database without a study: the search begins at trial 0 and says so.
        return found == whole or (found is None and not database.stat().st_size)

    tally = try_all(database, lambda: _read_a_copy(database), is_right, flip_count=200)
    assert tally.refused > 50
    assert database.read_bytes() == content
    assert read_database(database) == whole


def _read_a_copy(database):
    """Reading may repair or mark the file it reads."""
    copy = database.with_name("copy.db")
    shutil.copyfile(database, copy)
    return read_database(copy)


def test_commits_that_the_log_lost_are_missing_and_nothing_else(tmp_path):
    """The write-ahead log holds the latest commits: cut short, what came before stands."""
    path = tmp_path / "optuna.db"
    store = create_store(sqlite_url(path), "study", "max", "val_accuracy")
    expected = []
    for number in range(6):
        ended = trial(number)
        store.start(replace(ended, state=TrialState.RUNNING, score=None, reports={}, epochs=0, best_epoch=0), space())
        store.finish(ended, space())
        expected.append(ended)
    files = {suffix: path.with_name(path.name + suffix).read_bytes() for suffix in ("", "-wal")}
    store.close()
    seen = set()
    for how, damaged in [*cuts(files["-wal"]), *flips(files["-wal"], 30)]:
        folder = tmp_path / how.replace(" ", "_")
        folder.mkdir()
        copy = folder / "optuna.db"
        copy.write_bytes(files[""])
        copy.with_name("optuna.db-wal").write_bytes(damaged)
        store = _opened(copy)
        ended = [t for t in store.trials() if t.state.is_finished] if store else []
        assert [replace(t, owner="") for t in ended] == expected[: len(ended)], how
        seen.add(len(ended))
        if store:
            store.close()
    assert len(seen) > 2


def _opened(path):
    try:
        return open_store(sqlite_url(path), "study")
    except KeyError:
        return None


# JSON


def test_the_seal(tmp_path):
    path = tmp_path / "seal.json"
    made = seal(data(), path, seed=0)

    def is_right(found):
        return found.test_rows.tolist() == made.test_rows.tolist() and found.by == made.by

    tally = try_all(path, lambda: seal(data(), path, seed=0), is_right)
    assert tally.refused > 0
    assert tally.right == 0


def winner():
    return export.BestHyperparameters(
        hyperparameters={"learning_rate": 0.01, "units": 128, "use_bias": True, "activation": "tanh"},
        metadata=export.Metadata(
            best_score=0.8,
            objective=export.ObjectiveRecord(name="val_accuracy", direction="max"),
            method="optuna",
            algorithm="tpe",
            study_name="mine_optuna",
            trial=17,
            n_trials={"complete": 20},
            data=export.DataRecord(fingerprint="0" * 16, kind="arrays"),
            seed=0,
            versions={"keras": "3.15.1"},
            epochs=23,
            baseline=export.Baseline(hyperparameters={"units": 64}, score=0.7),
        ),
    )


def test_the_exported_winner(tmp_path):
    path = winner().write(tmp_path / "best_hyperparameters.json")
    whole = export.load(path)
    # It is for people too: a changed space or line break means the same.
    tally = try_all(path, lambda: export.load(path), lambda found: found == whole, flip_count=300)
    assert tally.refused > tally.right


# The backup of a config


BEFORE, AFTER = b"LEARNING_RATE = 0.001\nUNITS = 64\n", b"LEARNING_RATE = 0.01\nUNITS = 128\n"


@pytest.fixture
def applied(tmp_path):
    """A config that was patched; (config, backup, its record)."""
    config = tmp_path / "config.py"
    config.write_bytes(BEFORE)
    origin = backup.Origin(comment="mine_optuna trial 17", keys={"learning_rate": "LEARNING_RATE", "units": "UNITS"})
    kept = backup.make_backup(config, BEFORE, AFTER, origin)
    config.write_bytes(AFTER)
    return config, kept, kept.with_name(kept.name + ".json")


@pytest.mark.parametrize("which", [1, 2], ids=["bak", "json"])
def test_the_backup_of_a_config(applied, which):
    config, kept, record = applied
    files = {path: path.read_bytes() for path in (kept, record)}

    def undone():
        damaged = applied[which].read_bytes()
        try:
            values = before_values(config)
            undo(config)
            return values, config.read_bytes()
        finally:
            config.write_bytes(AFTER)
            for path, content in files.items():
                path.write_bytes(content)
            applied[which].write_bytes(damaged)

    right = ({"learning_rate": 0.001, "units": 64}, BEFORE)
    tally = try_all(applied[which], undone, lambda found: found == right, flip_count=150)
    assert tally.refused > tally.right
    assert which == 2 or tally.right == 0


# Arrays


def test_the_feature_cache(tmp_path):
    features = np.random.default_rng(0).normal(size=(12, 40)).astype("float32")
    key = "0" * 32
    cache.remember(tmp_path, key, features.shape, lambda: features)
    (path,) = tmp_path.iterdir()
    computed = []

    def read():
        damaged = path.read_bytes()
        try:
            return cache.remember(tmp_path, key, features.shape, lambda: computed.append(1) or features)
        finally:
            path.write_bytes(damaged)

    tally = try_all(path, read, lambda found: np.array_equal(found, features))
    assert tally.refused == 0
    assert len(computed) == tally.right


@pytest.mark.parametrize("name", ["X.0.npy", "y.0.npy", "groups.0.npy", "index.json"])
def test_the_arrays_of_workers(tmp_path, name):
    rows = replace(data(300), groups=np.arange(300) // 10)
    save_development(tmp_path, rows)

    def is_right(found):
        columns = ("X", "y", "groups")
        return all(np.array_equal(getattr(found, column), getattr(rows, column)) for column in columns)

    tally = try_all(tmp_path / name, lambda: load_development(tmp_path), is_right)
    assert tally.refused > 0
    assert tally.right == 0


@pytest.mark.tensorflow
def test_a_checkpoint(tmp_path):
    import keras

    from truetune.training.checkpoints.checkpoint import EndedFold, Progress, load_checkpoint, save_checkpoint

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    path = tmp_path / "trial.npz"
    owner = {"seed": 1, "values": {"units": 16}}
    ended = EndedFold(2, 1, {1: 0.5, 2: 0.4}, [[np.array(3.0), np.ones(2)], [np.array(4.0), np.ones(2)]])
    progress = Progress(
        fold=1,
        epoch=3,
        best_score=0.5,
        best_epoch=2,
        wait=1,
        best_weights=model.get_weights(),
        reports={1: 0.25, 2: 0.5},
        ended=[ended],
        owner=owner,
    )
    save_checkpoint(path, model, progress)

    def state():
        return [np.asarray(v).copy() for v in [*model.variables, *model.optimizer.variables]]

    trained = state()
    whole = vars(load_checkpoint(path, model, owner)).copy()
    del whole["best_weights"]

    def is_right(found):
        same = all(np.array_equal(a, b) for a, b in zip(state(), trained, strict=True))
        return same and all(getattr(found, name) == value for name, value in whole.items())

    tally = try_all(path, lambda: load_checkpoint(path, model, owner), is_right)
    assert tally.right == 0
    for ours, before in zip(state(), trained, strict=True):
        np.testing.assert_array_equal(ours, before)


# KerasTuner's project


@pytest.mark.tensorflow
def test_the_project_for_keras_tuner_is_never_read(tmp_path):
    import keras

    import truetune

    def build(hp):
        model = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 1000)), keras.layers.Dense(2)]
        )
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    def tune(trials, directory):
        task = truetune.Task("mine", build, data(), truetune.Objective("val_loss", "min"), epochs=1)
        options = {"method": "keras-tuner", "algorithm": "random", "study_name": "mine", "workers": 0, "finalists": 0}
        return truetune.tune(task, max_trials=trials, directory=tmp_path / directory, **options)

    undisturbed = tune(4, "undisturbed")
    tune(2, "damaged")
    project = tmp_path / "damaged" / "tuning" / "mine" / "keras_tuner"
    chance = random.Random(0)
    for file in project.rglob("*.json"):
        file.write_bytes(file.read_bytes()[: chance.randrange(20)])
    assert [t.values for t in tune(4, "damaged").trials] == [t.values for t in undisturbed.trials]
    for file in project.rglob("*.json"):
        json.loads(file.read_text())
