"""Somebody else's models under all five algorithms: a CNN on scikit-learn's digits, and KerasTuner's HyperResNet.

    python benchmarks/other_models.py                    # both, about 10 minutes on two cores
    python benchmarks/other_models.py digits --trials 8  # one of them

HyperResNet gets 32 made-up images of 32 x 32 pixels: what is shown is that it runs unchanged, and what a trial of one
epoch costs (most of it is TensorFlow tracing the graph of 50 layers and more).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import truetune
from truetune.search.registry import ALGORITHMS
from truetune.trial import TrialState

OBJECTIVE = truetune.Objective("val_accuracy", "max")


def build(hp: Any) -> Any:
    """As one writes it for KerasTuner: plain `for` and `if`, and a condition. Discrete, so that grid serves."""
    import keras

    inputs = keras.Input((8, 8, 1))
    x = inputs
    for i in range(hp.Int("blocks", 1, 2)):
        x = keras.layers.Conv2D(hp.Int(f"filters_{i}", 8, 24, step=8), 3, padding="same", activation="relu")(x)
        if hp.Boolean(f"pool_{i}", default=True):
            x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    head = hp.Choice("head", ["plain", "dense"])
    with hp.conditional_scope("head", ["dense"]):
        units = hp.Int("units", 16, 64, step=16)
    if head == "dense":
        x = keras.layers.Dense(units, activation="relu")(x)
    outputs = keras.layers.Dense(10, activation="softmax")(x)
    rate = hp.Choice("learning_rate", [1e-3, 3e-3, 1e-2])
    hp.Choice("batch_size", [16, 32])
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def digits() -> truetune.Task:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    data = truetune.Dataset((X / 16).reshape(-1, 8, 8, 1).astype("float32"), y)
    return truetune.Task("digits", build, data, OBJECTIVE, epochs=6)


def resnet() -> truetune.Task:
    from truetune.training.tensorflow_start import start_tensorflow

    start_tensorflow()
    import keras_tuner

    labels = np.tile([0, 1], 16)
    X = np.random.default_rng(0).normal(size=(32, 32, 32, 3)) + labels[:, None, None, None]
    data = truetune.Dataset(X.astype("float32"), np.eye(2, dtype="float32")[labels])
    hypermodel = keras_tuner.applications.HyperResNet(input_shape=(32, 32, 3), classes=2)
    return truetune.Task("resnet", hypermodel, data, OBJECTIVE, epochs=1)


MODELS: dict[str, tuple[Callable[[], truetune.Task], int]] = {"digits": (digits, 6), "resnet": (resnet, 2)}
"""How the task is made, and how many trials it gets by default."""


def row(task: truetune.Task, method: str, algorithm: str, max_trials: int) -> str:
    """One search in a fresh folder, as a line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = truetune.tune(task, method, max_trials, algorithm=algorithm, directory=Path(folder), pruner="none")
        seconds = time.perf_counter() - began
        result.export(Path(folder) / "best_hyperparameters.json")
    best = "–" if result.best is None else f"{result.best_score:.4f} (trial {result.best.number})"
    states = [trial.state for trial in result.trials]
    failed = states.count(TrialState.FAILED)
    return f"{task.name:<8} {algorithm:<10} {len(states):>6} {failed:>6}  {best:<18} {seconds:>8.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--trials", type=int, default=None, help="for each search")
    chosen = parser.parse_args()
    print(f"{'model':<8} {'algorithm':<10} {'trials':>6} {'failed':>6}  {'best':<18} {'seconds':>8}")
    for name in chosen.models:
        make, trials = MODELS[name]
        task = make()
        for algorithm in ALGORITHMS:
            print(row(task, algorithm.method, algorithm.name, chosen.trials or trials), flush=True)


if __name__ == "__main__":
    main()
