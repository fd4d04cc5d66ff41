"""A narrow convolutional backbone with named blocks, 8 × 8 images, and a supervisor that can end a trial anywhere."""

from __future__ import annotations

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.splitting.protocols import Fold
from truetune.objective import Objective
from truetune.recipe import FitRecipe, Stage, freeze, unfreeze
from truetune.training.messages import Host, Request, TrainingTask
from truetune.trial import Decision

LOSS = Objective("val_loss", "min")


def images(n=60, seed=3):
    rng = np.random.default_rng(seed)
    y = np.arange(n) // 3 % 3
    X = rng.normal(size=(n, 8, 8, 1)).astype("float32")
    X[np.arange(n), y * 2, :, 0] += 1.5
    return Dataset(X, y)


def folds_of(data, n_folds=1):
    from truetune.training.folds.source import Folds

    rows = np.arange(len(data))
    parts = [rows % max(3, n_folds) == fold for fold in range(n_folds)]
    return Folds(data, [Fold(f"{i + 1} of {n_folds}", rows[~part], rows[part], "row") for i, part in enumerate(parts)])


def backbone():
    import keras

    x = inputs = keras.Input((8, 8, 1))
    for number in (1, 2, 3):
        x = keras.layers.Conv2D(2, 3, padding="same", use_bias=False, name=f"block{number}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"block{number}_bn")(x)
        x = keras.layers.LeakyReLU(name=f"block{number}_act")(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(x), name="backbone")


def build(hp, nested=True, optimizer=None):
    """With defaults at which every stage learns something."""
    import keras

    base = backbone()
    inputs = keras.Input((8, 8, 1))
    x = base(inputs) if nested else base.output
    x = keras.layers.Dropout(0.2, name="drop")(x)
    outputs = keras.layers.Dense(3, "softmax", name="head")(x)
    model = keras.Model(inputs if nested else base.input, outputs)
    rate = hp.Float("learning_rate", 1e-4, 10.0, sampling="log", default=0.03)
    hp.Int("batch_size", 4, 32, default=16)
    hp.Int("head_epochs", 0, 6, default=3)
    model.compile(optimizer or keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    kept.append(model)
    return model


kept = []
"""The models that `build` made."""


def plateau_callbacks(hp):
    import keras

    return [
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.05),
        keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
    ]


def staged(callbacks=plateau_callbacks, **changes):
    """Head, last block, everything."""
    stages = [
        Stage("head", "head_epochs", freeze("backbone")),
        Stage("last block", 3, unfreeze("block3", learning_rate=0.01)),
        Stage("all", 3, unfreeze(learning_rate=0.003), patience=1),
    ]
    return FitRecipe(**{"callbacks": callbacks, "stages": stages} | changes)


class Supervisor(Host):
    """Answers with `values` or defaults. When report `kill_at` arrives, an exception that nothing catches ends all."""

    def __init__(self, values=None, kill_at=None, decisions=None, fold_files=None):
        self.values, self.kill_at, self.decisions = values or {}, kill_at, decisions or {}
        self.fold_files = fold_files or {}
        self.reports, self.known, self.notes, self.stages, self.built_values = {}, None, [], [], None

    def answer(self, hyperparameter):
        return self.values.get(hyperparameter.name, hyperparameter.default)

    def built(self, values, parameters, complete):
        self.built_values = dict(values)
        return True

    def resumed(self, reports):
        self.known = dict(reports)
        self.reports |= reports

    def stage_begins(self, begun):
        self.stages.append(begun)

    def epoch(self, epoch, value):
        self.reports[epoch] = value
        if epoch == self.kill_at:
            raise KeyboardInterrupt
        return self.decisions.get(epoch, Decision.GO_ON)

    def note(self, line):
        self.notes.append(line)

    def fold_begins(self, fold, n_folds):
        return self.fold_files.get(fold)


def task(recipe, epochs=8, patience=None, hypermodel=build, objective=LOSS):
    return TrainingTask(hypermodel, objective, epochs, patience, None, fit=recipe)


def train(recipe, folds, path=None, host=None, epochs=8, patience=None, hypermodel=build, **request):
    from truetune.training.run_trial import run_trial

    kept.clear()
    asked = Request(4, request.pop("seed", 99), checkpoint=path, **request)
    return run_trial(task(recipe, epochs, patience, hypermodel), folds, asked, host or Supervisor())


def variables():
    """All that the model holds: weights, statistics, states of dropout, optimizer."""
    model = kept[0]
    return [np.asarray(v).copy() for v in [*model.variables, *model.optimizer.variables]]
