"""What the libraries' own loops report as their best value, on rows given to them."""

from __future__ import annotations

from typing import Any

import keras_tuner
import optuna
from honesty_net import UNITS, SmallNet

from truetune import Dataset
from truetune.training.fit import seed_everything


def kerastuner_best(
    net: SmallNet, train: Dataset, validation: Dataset, *, trials: int, epochs: int, seed: int, folder: str
) -> float:
    """The score of the best trial of `keras_tuner.RandomSearch`."""
    seed_everything(seed)
    tuner = keras_tuner.RandomSearch(
        net,
        keras_tuner.Objective("val_accuracy", "max"),
        max_trials=trials,
        seed=seed,
        directory=folder,
        project_name="plain",
    )
    held = (validation.X, validation.y)
    tuner.search(train.X, train.y, validation_data=held, epochs=epochs, verbose=0)
    return float(tuner.oracle.get_best_trials(1)[0].score)


def optuna_best(net: SmallNet, train: Dataset, validation: Dataset, *, trials: int, epochs: int, seed: int) -> float:
    """`best_value` of a study with Optuna's default sampler; a trial's value is that of its best epoch."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed_everything(seed)

    def objective(trial: optuna.Trial) -> float:
        hp: Any = keras_tuner.HyperParameters()
        hp.values = {
            "units": trial.suggest_categorical("units", UNITS),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 3.0, log=True),
        }
        held = (validation.X, validation.y)
        history = net.fit(hp, net.build(hp), train.X, train.y, epochs=epochs, validation_data=held)
        return max(history.history["val_accuracy"])

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=trials)
    return float(study.best_value)
