"""Metrics that Keras lacks."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="truetune")
class UnweightedAverageRecall(keras.metrics.Metric):  # type: ignore[misc]
    """Mean of the recalls of the classes, each class counting the same however many rows it has.

    The usual measure of emotion recognition on unequal classes (Schuller et al., "The INTERSPEECH 2009 Emotion
    Challenge"); scikit-learn calls it balanced accuracy. A class that never occurs in `y_true` has no recall and is
    left out of the mean. Chance is 1 / (number of classes that occur).

    Args:
        num_classes: number of classes, the last axis of the predictions.
        name: as it is logged.
    """

    def __init__(self, num_classes: int, name: str = "uar", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes = int(num_classes)
        self.hits = self.add_variable(shape=(self.num_classes,), initializer="zeros", name="hits")
        self.rows = self.add_variable(shape=(self.num_classes,), initializer="zeros", name="rows")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: integer labels, shape (n,) or (n, 1).
            y_pred: scores or probabilities, shape (n, num_classes); the largest decides.
            sample_weight: weight of each row, shape (n,) or (n, 1); None counts each row once.
        """
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        weights = ops.one_hot(labels, self.num_classes, dtype=self.dtype)
        if sample_weight is not None:
            weights *= ops.cast(ops.reshape(sample_weight, (-1, 1)), self.dtype)
        correct = ops.cast(ops.equal(labels, ops.cast(ops.argmax(y_pred, axis=-1), "int32")), self.dtype)
        self.hits.assign_add(ops.sum(weights * ops.expand_dims(correct, -1), axis=0))
        self.rows.assign_add(ops.sum(weights, axis=0))

    def result(self) -> Any:
        """The mean recall so far, 0 before the first row."""
        occurs = ops.cast(ops.greater(self.rows, 0), self.dtype)
        recalls = ops.divide_no_nan(self.hits, self.rows)
        return ops.divide_no_nan(ops.sum(recalls), ops.sum(occurs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes}
