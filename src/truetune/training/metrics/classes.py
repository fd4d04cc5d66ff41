"""Metrics in which every class counts the same, however many rows it has."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from truetune.training.metrics.counts import ClassCounts


@keras.saving.register_keras_serializable(package="truetune")
class UnweightedAverageRecall(ClassCounts):
    """Mean of the recalls of the classes.

    The usual measure of emotion recognition on unequal classes (Schuller et al., "The INTERSPEECH 2009 Emotion
    Challenge"); scikit-learn calls it balanced accuracy. From 0 to 1. A class that never occurs in `y_true` has no
    recall and is left out of the mean. Chance is 1 / (number of classes that occur).

    Args:
        num_classes: number of classes, the last axis of the predictions.
        name: as it is logged.

    Raises:
        InputError: fewer than two classes.
    """

    def __init__(self, num_classes: int, name: str = "uar", dtype: Any = None) -> None:
        super().__init__(num_classes, name, dtype)

    def result(self) -> Any:
        """The mean recall so far, 0 before the first row."""
        return self.mean_over(ops.greater(self.true, 0), ops.divide_no_nan(self.hits, self.true))


@keras.saving.register_keras_serializable(package="truetune")
class MacroF1(ClassCounts):
    """Mean of the F1 scores of the classes: 2·hits / (times true + times predicted).

    Unlike the unweighted average recall it also falls when a class is predicted where it is not. From 0 to 1. A class
    that occurs neither in `y_true` nor among the predictions is left out of the mean; one that occurs in only one of
    them counts 0. As `sklearn.metrics.f1_score(average="macro", zero_division=0)`; of the two scores of that name it is
    the mean of F1, not the F1 of means (Opitz and Burst, "Macro F1 and Macro F1", 2019).

    Args:
        num_classes: number of classes, the last axis of the predictions.
        name: as it is logged.

    Raises:
        InputError: fewer than two classes.
    """

    def __init__(self, num_classes: int, name: str = "macro_f1", dtype: Any = None) -> None:
        super().__init__(num_classes, name, dtype)

    def result(self) -> Any:
        """The mean F1 score so far, 0 before the first row."""
        either = self.true + self.predicted
        return self.mean_over(ops.greater(either, 0), ops.divide_no_nan(2.0 * self.hits, either))
