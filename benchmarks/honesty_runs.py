"""One run of each part of the honesty benchmark: from a seed to the numbers that are kept of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from honesty_data import N_FEATURES, Population, coin_flips, rows
from honesty_eeg import leakage_run
from honesty_net import SmallNet

import truetune
from truetune import Dataset, Objective, Task

TRIALS, EPOCHS = 20, 3
ROWS = 500
"""A fifth is sealed, a fifth of the rest validates: 320 rows train, 80 validate."""

LEVELS = {"hard": 0.5, "easy": 2.0}
"""Strength of the signal by the name of the level."""

RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0)
TRUTH_TRAININGS, TRUTH_ROWS = 40, 20_000

SETTING = {"units": 8, "learning_rate": 1.0}
VERIFY_EPOCHS = 2
DEVELOPMENT = (40, 20)
"""Subjects, and rows of each, that a verification trains on."""

FEW, MANY = (20, 30), (200, 30)
"""Subjects, and rows of each, that are sealed: as in many EEG studies, and for a gain of three points."""

TWINS = Population(weights=(0.5,) * 8)
"""The first four features tell as much as the last four."""

WEAK = 0.55
GAIN = Population(weights=(0.5,) * 7 + (WEAK,))
"""Who also sees the last feature is better by three points; `true_gain` measures it."""

Record = dict[str, Any]


def small_task(net: SmallNet, data: Dataset, epochs: int = EPOCHS) -> Task:
    return Task("honesty", net, data, Objective("val_accuracy", "max"), epochs=epochs, patience=None)


def _search(net: SmallNet, data: Dataset, seed: int, folder: str) -> truetune.Result:
    return truetune.tune(
        small_task(net, data), "optuna", TRIALS, workers=0, directory=Path(folder), seed=seed, keep="none"
    )


def coin_flip_run(seed: int) -> Record:
    """A search on coin flips, and the best values that the libraries' own loops report on the same split."""
    from honesty_plain import kerastuner_best, optuna_best

    net, data = SmallNet(N_FEATURES), coin_flips(seed, ROWS)
    with tempfile.TemporaryDirectory() as folder:
        found = _kept(_search(net, data, seed, folder))
        parts = search_parts(data, seed, Path(folder))
        return found | {
            "kerastuner": kerastuner_best(net, *parts, trials=TRIALS, epochs=EPOCHS, seed=seed + 1, folder=folder),
            "optuna": optuna_best(net, *parts, trials=TRIALS, epochs=EPOCHS, seed=seed),
        }


def search_parts(data: Dataset, seed: int, folder: Path) -> tuple[Dataset, Dataset]:
    """The training and validation rows that the search of this seed used."""
    from truetune.data.sealing.seal import seal
    from truetune.data.splitting.protocols import Protocol

    development = seal(data, folder / "again" / "seal.json", seed).development(data)
    fold = Protocol().folds(development, seed)[0]
    return development.take(fold.train), development.take(fold.validation)


def _kept(result: truetune.Result) -> Record:
    best, final = result.search_best, result.final
    assert best is not None
    assert final is not None
    assert final.confirmed is not None
    estimate = final.confirmed
    winner = result.best
    assert winner is not None
    return {
        "search": best.score,
        "mean": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "recommendation": final.recommendation,
        "epoch": winner.best_epoch,
        **{f"winner_{name}": value for name, value in result.best_hyperparameters.items()},
    }


def known_truth_run(seed: int, level: str) -> Record:
    """A search on data whose truth is known; the truth of its winner is a run of its own."""
    net, data = SmallNet(N_FEATURES, rates=RATES), rows(seed, ROWS, LEVELS[level])
    with tempfile.TemporaryDirectory() as folder:
        return _kept(_search(net, data, seed, folder))


def truth_of(seed: int, level: str, units: int, rate: float) -> list[float]:
    """Accuracy after each epoch on new rows, the mean of many trainings, each on new rows as many as a trial has."""
    from truetune.training.fit import seed_everything

    net = SmallNet(N_FEATURES, rates=RATES)
    values = {"units": units, "learning_rate": rate}
    held = rows(10**6, TRUTH_ROWS, LEVELS[level])
    found = []
    for number in range(TRUTH_TRAININGS):
        seed_everything(seed + number)
        train = rows(10**6 + 1 + seed + number, 320, LEVELS[level])
        hp, model = built(net, values)
        history = net.fit(hp, model, train.X, train.y, epochs=EPOCHS, validation_data=(held.X, held.y))
        found.append(history.history["val_accuracy"])
    return [float(value) for value in np.mean(found, axis=0)]


def built(net: SmallNet, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """The `hp` that holds `values`, and the model built from it."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hp, net.build(hp)


def same_setting_run(seed: int) -> Record:
    """Before and after are one setting; "after" draws other random numbers for its first weights."""
    net = SmallNet(N_FEATURES, draws=2)
    return _verified(net, TWINS, FEW, {**SETTING, "draw": 0}, {**SETTING, "draw": 1}, seed)


def equal_setting_run(seed: int) -> Record:
    """Before and after see other features, which tell as much: they differ on each subject, and not on average."""
    net = SmallNet(N_FEATURES, columns={"first": (0, 4), "last": (4, 8)})
    return _verified(net, TWINS, FEW, {**SETTING, "columns": "first"}, {**SETTING, "columns": "last"}, seed)


GAIN_NET: Mapping[str, tuple[int, int]] = {"without": (0, 7), "with": (0, 8)}


def gain_run(seed: int) -> Record:
    """After is better than before by three points."""
    net = SmallNet(N_FEATURES, columns=GAIN_NET)
    return _verified(net, GAIN, MANY, {**SETTING, "columns": "without"}, {**SETTING, "columns": "with"}, seed)


def _verified(
    net: SmallNet,
    population: Population,
    sealed: tuple[int, int],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    seed: int,
) -> Record:
    from truetune.verification.verification import Candidate
    from truetune.verification.verify import VerifyOptions, verify

    development, test = population.draw(2 * seed, *DEVELOPMENT), population.draw(2 * seed + 1, *sealed)
    task = small_task(net, development)
    candidates = Candidate(before, VERIFY_EPOCHS), Candidate(after, VERIFY_EPOCHS)
    found = verify(task, development, test, *candidates, VerifyOptions(seed=seed))
    verdict = found.verdict
    return {
        "outcome": verdict.outcome,
        "difference": verdict.difference,
        "low": verdict.low,
        "high": verdict.high,
        "before": list(found.before),
        "after": list(found.after),
    }


def true_gain(seed: int) -> Record:
    """The two accuracies of one training each on new subjects, measured on 1000 further subjects."""
    from truetune.training.fit import seed_everything

    net = SmallNet(N_FEATURES, columns=GAIN_NET)
    train, test = GAIN.draw(10**6 + 2 * seed, *DEVELOPMENT), GAIN.draw(10**6 + 2 * seed + 1, 1000, 20)
    scores = {}
    for name in GAIN_NET:
        seed_everything(seed)
        hp, model = built(net, {**SETTING, "columns": name})
        net.fit(hp, model, train.X, train.y, epochs=VERIFY_EPOCHS)
        model.reset_metrics()
        scores[name] = float(model.test_on_batch(test.X, test.y, return_dict=True)["accuracy"])
    return scores


RUNS: Mapping[str, Callable[..., Any]] = {
    "coin flips": coin_flip_run,
    "same setting": same_setting_run,
    "equal setting": equal_setting_run,
    "gain": gain_run,
    "true gain": true_gain,
    "known truth": known_truth_run,
    "truth": truth_of,
    "leakage": leakage_run,
}
