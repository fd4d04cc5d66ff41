"""Metrics that Keras lacks; `truetune.metrics` has them for users.

Each counts in variables that may be added up: the sums over several parts of the data give the metric of all parts
together, which `truetune.training.folds.pooled` relies on.
"""

from truetune.training.metrics.classes import MacroF1, UnweightedAverageRecall
from truetune.training.metrics.groups import WorstGroupAccuracy
from truetune.training.metrics.overlap import BinaryDice, BinaryJaccard, Dice, Jaccard

__all__ = [
    "BinaryDice",
    "BinaryJaccard",
    "Dice",
    "Jaccard",
    "MacroF1",
    "UnweightedAverageRecall",
    "WorstGroupAccuracy",
]
