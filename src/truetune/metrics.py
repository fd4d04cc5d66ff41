"""Metrics that Keras lacks, for `compile` and as objectives; loaded on first use, as they load Keras.

from truetune.metrics import MacroF1

model.compile("adam", "sparse_categorical_crossentropy", metrics=[MacroF1(num_classes=3)])  # logs val_macro_f1
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from truetune.training.metrics import (
        BinaryDice,
        BinaryJaccard,
        Dice,
        Jaccard,
        MacroF1,
        UnweightedAverageRecall,
        WorstGroupAccuracy,
    )

__all__ = [
    "BinaryDice",
    "BinaryJaccard",
    "Dice",
    "Jaccard",
    "MacroF1",
    "UnweightedAverageRecall",
    "WorstGroupAccuracy",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'truetune.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module("truetune.training.metrics"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
