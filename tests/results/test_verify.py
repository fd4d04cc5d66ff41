"""Verification trains pairs on the same seeds, and scores the test part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.errors import ConfigError, InputError, ObjectiveError, SpaceError
from truetune.results.verify import Candidate, verify
from truetune.task import Objective, Task

pytestmark = pytest.mark.tensorflow


@dataclass(frozen=True)
class Softmax:
    """Logistic regression: the cheapest model that learns."""

    def __call__(self, hp):
        import keras

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
        model.compile(
            keras.optimizers.SGD(hp.Float("learning_rate", 1e-6, 10.0, sampling="log", default=0.1)),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            run_eagerly=True,
        )
        return model


def part(seed, n_rows=48):
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 2
    X = rng.normal(size=(n_rows, 4)).astype("float32")
    X[:, 0] += 3 * y
    return Dataset(X, y)


TASK = Task("softmax", Softmax(), part(0), Objective("val_accuracy", "max"))


def test_a_better_learning_rate_is_an_improvement():
    heard = []
    found = verify(
        TASK,
        part(0),
        part(1),
        Candidate({"learning_rate": 1e-5}, 1),
        Candidate({"learning_rate": 1.0}, 3),
        progress=heard.append,
    )
    assert found.verdict.outcome == "improved"
    assert found.metric == "accuracy"
    assert min(found.after) > 0.8
    assert len(set(found.seeds)) == 5
    assert (found.n_development, found.n_test) == (48, 48)
    assert [(t.done, t.total, t.side) for t in heard[:3]] == [(1, 10, "before"), (2, 10, "after"), (3, 10, "before")]
    assert [t.seed for t in heard[::2]] == [t.seed for t in heard[1::2]] == list(found.seeds)
    assert [t.score for t in heard[1::2]] == list(found.after)
    assert "5 paired seeds" in str(found)
    assert "48 sealed test rows" in str(found)


def test_the_same_values_are_no_improvement():
    same = Candidate({"learning_rate": 0.01}, 1)
    found = verify(TASK, part(0), part(1), same, same)
    assert found.before == found.after
    assert len(set(found.before)) > 1  # the seeds make a difference, and both sides share it
    assert found.verdict.outcome == "no evidence of improvement"
    assert found.verdict.difference == 0.0


def test_bad_input():
    fine = Candidate({"learning_rate": 0.1}, 1)
    with pytest.raises(InputError, match="at least 5"):
        verify(TASK, part(0), part(1), fine, fine, seeds=4)
    with pytest.raises(SpaceError, match="learning_rate"):
        verify(TASK, part(0), part(1), Candidate({}, 1), fine)
    with pytest.raises(ObjectiveError, match="'f1'"):
        verify(replace(TASK, objective=Objective("val_f1", "max")), part(0), part(1), fine, fine)


def exported(directory, data):
    from truetune.results.export import BestHyperparameters

    metadata = {
        "best_score": 0.9,
        "objective": {"name": "val_accuracy", "direction": "max"},
        "method": "optuna",
        "algorithm": "tpe",
        "study_name": "softmax_optuna",
        "trial": 3,
        "n_trials": {"complete": 4},
        "data": {"fingerprint": data.fingerprint(), "kind": "arrays"},
        "seed": 0,
        "versions": {},
        "epochs": 3,
    }
    best = BestHyperparameters.model_validate({"hyperparameters": {"learning_rate": 1.0}, "metadata": metadata})
    return best.write(directory / "best_hyperparameters.json")


def test_the_config_before_and_after_an_apply_by_a_loss(tmp_path):
    from truetune.results.apply import apply
    from truetune.results.verify import verify_from_config

    task = replace(TASK, data=part(0, n_rows=100), objective=Objective("val_loss", "min"))
    config = tmp_path / "config.py"
    config.write_text("LEARNING_RATE = 0.00001\nEPOCHS = 1\n")
    apply(exported(tmp_path, task.load()), config).write()
    found = verify_from_config(task, config, tmp_path)
    assert (found.n_development, found.n_test) == (80, 20)
    assert found.verdict.outcome == "improved"
    assert found.verdict.after_mean < found.verdict.before_mean
    other = tmp_path / "other.py"
    other.write_text(config.read_text())
    with pytest.raises(ConfigError, match="Nothing was applied"):
        verify_from_config(task, other, tmp_path)
