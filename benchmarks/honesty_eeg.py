"""Part 4 of the honesty benchmark: one cheap model on real EEG, its rows split at random and by subject."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import truetune
from truetune import Dataset, Objective, Task

LABEL = "group"
"""Alcoholic or control: the same for all rows of a subject, so who knows the subject knows the label."""

SEARCH: dict[str, Any] = {"max_trials": 8, "finalists": 2, "fresh_runs": 5, "protocol": "k-fold", "folds": 5}
EPOCHS = 10


def leakage_run(seed: int, data: str, split: str) -> dict[str, Any]:
    """The estimate of a search whose rows are split "by subject" or as "random rows"."""
    from honesty_net import SmallNet
    from sklearn.preprocessing import StandardScaler

    dataset = features(Path(data))
    if split == "random rows":
        dataset = dataset.with_independent_rows()
    task = Task(
        "leakage",
        SmallNet(dataset.X.shape[1]),  # type: ignore[union-attr]
        dataset,
        Objective("val_accuracy", "max"),
        epochs=EPOCHS,
        patience=None,
        preprocessing=StandardScaler,
    )
    with tempfile.TemporaryDirectory() as folder:
        found = truetune.tune(task, workers=0, directory=Path(folder), seed=seed, keep="none", **SEARCH)
    assert found.final is not None
    assert found.final.confirmed is not None
    estimate = found.final.confirmed
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def features(data: Path) -> Dataset:
    """What truetune's EEG task makes of the tables."""
    from truetune.tasks.choice import TaskChoice

    cache = Path(tempfile.gettempdir()) / "truetune_honesty"
    dataset = TaskChoice(options={"data": data, "label": LABEL}).make(cache).load()
    labels = np.asarray(dataset.labels)
    return replace(dataset, y=labels, main_output=None)


def refusal(data: Path) -> str:
    """What is said to somebody who passes these rows with their subjects and declares nothing."""
    dataset = features(data)
    rows = Dataset(dataset.X, dataset.y, identities={"subject": np.asarray(dataset.groups)})
    try:
        rows.check()
    except truetune.TruetuneError as error:
        return str(error)
    return ""
