"""Somebody's own task as they would write it in a file, with its config."""

from __future__ import annotations

from pathlib import Path

TASK = '''"""Irises, by a small network of dense layers."""

import keras
import numpy as np
from sklearn.datasets import load_iris

import truetune

X, y = load_iris(return_X_y=True)
X, y = np.delete(X, 142, axis=0), np.delete(y, 142)  # it is row 101 once more


def build(hp):
    model = keras.Sequential([keras.Input((4,))])
    for i in range(hp.Int("layers", 1, 2)):
        model.add(keras.layers.Dense(hp.Int(f"units_{i}", 4, 16, step=4, default=8), "relu"))
    model.add(keras.layers.Dense(3, "softmax"))
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log", default=1e-2)
    hp.Choice("batch_size", [16, 32])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def own():
    return truetune.Task("iris", build, truetune.Dataset(X.astype("float32"), y), OBJECTIVE, epochs=2)


OBJECTIVE = truetune.Objective("val_accuracy", "max")
'''

CONFIG = """import os

LAYERS = 1  # dense layers
UNITS_0 = 8
UNITS_1 = 8
LEARNING_RATE = 0.01  # of Adam
BATCH_SIZE = 32
NAME = os.environ.get("NAME", "iris")
"""

SPEC = ("--task", "iristask.py:own")


def write(folder: Path) -> Path:
    """`iristask.py` and `src/config.py`."""
    (folder / "iristask.py").write_text(TASK)
    (folder / "src").mkdir()
    (folder / "src" / "config.py").write_text(CONFIG)
    return folder
