"""An exported winner as a search leaves it."""

from __future__ import annotations

from typing import Any

from truetune.results.export import BestHyperparameters, DataRecord, Metadata, ObjectiveRecord


def winner(hyperparameters: dict[str, Any], trial: int = 17, epochs: int = 23) -> BestHyperparameters:
    return BestHyperparameters(
        hyperparameters=hyperparameters,
        metadata=Metadata(
            best_score=0.8,
            objective=ObjectiveRecord(name="val_accuracy", direction="max"),
            method="optuna",
            algorithm="tpe",
            study_name="mine_optuna",
            trial=trial,
            n_trials={"complete": 20},
            data=DataRecord(fingerprint="0" * 16, kind="arrays"),
            seed=0,
            versions={},
            epochs=epochs,
        ),
    )
