"""The smallest real search, to check that it works on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def search_once() -> float:
    """Tune a tiny model for one trial of one epoch in a worker process; return its score."""
    from truetune.api import tune
    from truetune.data.dataset import Dataset
    from truetune.objective import Objective
    from truetune.task import Task

    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 4)).astype("float32")
    task = Task("doctor", _build, Dataset(X, (X[:, 0] > 0).astype(int)), Objective("val_accuracy", "max"), epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        result = tune(task, "optuna", 1, directory=Path(folder))
    if result.best_score is None:
        raise RuntimeError(result.trials[0].reason)
    return result.best_score


def _build(hp: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(hp.Choice("optimizer", ["adam"]), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
