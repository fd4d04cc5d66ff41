"""How much sooner does a trial end when several workers train its folds together? Prints a table.

    python benchmarks/folds.py [--folds 6] [--epochs 8] [--workers 2] [--trials 3]

The same search runs twice, with one worker and with several that train each trial together; pruning is off, so that
both train the same. The times are those of the trials (the start of the workers is not in them); the first trial of
each search, where TensorFlow loads what it needs, is left out. The model is a small LSTM, which does not fill the
cores.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import truetune


def build(hp: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input((40, 8)), keras.layers.LSTM(hp.Int("units", 24, 40, default=32))])
    model.add(keras.layers.Dense(2, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def task(epochs: int) -> truetune.Task:
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 600)
    X = rng.normal(size=(1200, 40, 8)).astype("float32") + 0.1 * y[:, None, None]
    data = truetune.Dataset(X.astype("float32"), y, rows_are_independent=True)
    return truetune.Task("folds", build, data, truetune.Objective("val_accuracy", "max"), epochs=epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=3)
    chosen = parser.parse_args()
    seconds: dict[int, float] = {}
    scores = {}
    for workers in (1, chosen.workers):
        with tempfile.TemporaryDirectory() as folder:
            result = truetune.tune(
                task(chosen.epochs),
                max_trials=chosen.trials + 1,
                protocol="k-fold",
                folds=chosen.folds,
                workers=workers,
                workers_per_trial=workers,
                pruner="none",
                finalists=0,
                directory=Path(folder),
            )
        seconds[workers] = median(trial.seconds for trial in result.trials[1:])
        scores[workers] = [trial.score for trial in result.trials]
    print(f"\n| workers | seconds a trial of {chosen.folds} folds | ratio |\n|---|---|---|")
    for workers, taken in seconds.items():
        print(f"| {workers} | {taken:.1f} | {taken / seconds[1]:.2f} |")
    same = "the same scores" if scores[1] == scores[chosen.workers] else f"other scores: {scores}"
    print(f"\nBoth searches recorded {same}.")


if __name__ == "__main__":
    main()
