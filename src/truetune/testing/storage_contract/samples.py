"""Trials, hyperparameters and re-trainings that the contract records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from truetune.space import Condition, Hyperparameter, Space, Value
from truetune.storage.base import Store
from truetune.trial import FreshRun, Trial, TrialState


def every_kind() -> Space:
    """A space with every kind of hyperparameter, one of them in two branches."""
    made = Space()
    made.add(Hyperparameter("Int", "units", 32, low=32, high=256, step=32))
    made.add(Hyperparameter("Float", "rate", 1e-3, low=1e-5, high=1e-1, step=10, sampling="log"))
    made.add(Hyperparameter("Choice", "act", "relu", choices=("relu", "tanh")))
    made.add(Hyperparameter("Choice", "batch", 16, choices=(16, 32, 64)))
    made.add(Hyperparameter("Boolean", "lstm", False))
    made.add(Hyperparameter("Fixed", "version", 3, choices=(3,)))
    made.add(Hyperparameter("Int", "units", 8, low=8, high=16, step=1, conditions=(Condition("lstm", (True,)),)))
    return made


VALUES: dict[str, Value] = {
    "units": 64,
    "rate": 1e-4,
    "act": "tanh",
    "batch": 32,
    "lstm": True,
    "version": 3,
    "units@lstm=True": 9,
}

GRIDS = (
    Hyperparameter("Float", "x", 0.1, low=0.1, high=0.3, step=0.1),
    Hyperparameter("Float", "x", 0.0, low=0.0, high=0.7, step=0.05),
    Hyperparameter("Float", "x", 1e-5, low=1e-5, high=1e-1, step=10, sampling="log"),
    Hyperparameter("Int", "x", 2, low=2, high=300, step=2, sampling="log"),
    Hyperparameter("Int", "x", 1, low=1, high=16, step=2, sampling="reverse_log"),
    Hyperparameter("Int", "x", 1, low=1, high=10, step=4),
)

FOLDED: dict[str, Any] = {
    "fold_scores": (0.25, 0.75),
    "metrics": {"accuracy": 0.5, "loss": 1.5},
    "fold_metrics": {"accuracy": (0.25, 0.75), "loss": (2.0, 1.0)},
}


def running(number: int = 0, **changes: Any) -> Trial:
    """A running trial whose model is built."""
    fields: dict[str, Any] = {"values": VALUES, "seed": 7, "parameters": 1234} | changes
    return Trial(number, TrialState.RUNNING, **fields)


def finished(
    number: int = 0, state: TrialState = TrialState.COMPLETE, score: float | None = 0.5, **changes: Any
) -> Trial:
    """The same trial after its end."""
    fields: dict[str, Any] = {"epochs": 3, "best_epoch": 2, "seconds": 1.5} | changes
    return replace(running(number), state=state, score=score, **fields)


def fresh(trial: int = 0, repeat: int = 0, stage: str = "choosing", score: float | None = 0.5) -> FreshRun:
    """A re-training of a finalist."""
    return FreshRun(trial, repeat, stage, score, score, seconds=2.0, fold_scores=(0.25, 0.75))


def train(store: Store, number: int, **changes: Any) -> Trial:
    """Start a trial and end it; returns what was written."""
    store.start(running(number), every_kind())
    ended = finished(number, **changes)
    store.finish(ended, every_kind(), {"loss": [1.0]})
    return ended
