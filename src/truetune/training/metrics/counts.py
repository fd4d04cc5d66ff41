"""Per-class counts of a confusion matrix: the hits, and how often the class is true and is predicted."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from truetune.errors import InputError

EXACT = "float64"
"""Of everything counted: whole numbers up to 2**53. In float32 a pixel more makes no difference beyond 2**24."""


class ClassCounts(keras.metrics.Metric):  # type: ignore[misc]
    """Base of the metrics of a classification into `num_classes` classes.

    Three vectors of shape (num_classes,) are counted: `hits`, the weight of the rows of a class that are predicted to
    be of it; `true`, of the rows of the class; `predicted`, of the rows predicted to be of it. A subclass makes a
    `result` of them. Rows with a label outside 0…num_classes-1 (255 is usual for pixels that nobody labelled) are left
    out.

    Args:
        num_classes: number of classes, the last axis of the predictions.
        name: as it is logged.

    Raises:
        InputError: fewer than two classes.
    """

    def __init__(self, num_classes: int, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes = int(num_classes)
        if self.num_classes < 2:
            raise InputError(f"{type(self).__name__} was given num_classes={num_classes}. Expected 2 or more.")
        self.hits = self.add_variable((self.num_classes,), "zeros", dtype=EXACT, name="hits")
        self.true = self.add_variable((self.num_classes,), "zeros", dtype=EXACT, name="true")
        self.predicted = self.add_variable((self.num_classes,), "zeros", dtype=EXACT, name="predicted")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: integer labels, shape (…) or (…, 1), e.g. (n,) for rows and (n, height, width) for images.
            y_pred: scores or probabilities, shape (…, num_classes); the largest decides.
            sample_weight: shape of the labels, or of their first axes, e.g. (n,); None counts each row once.

        Raises:
            InputError: predictions of another number of classes, or labels of another shape.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        _check_classes(self, y_pred, self.num_classes)
        self.count(labels_like(self, y_true, y_pred), ops.argmax(y_pred, axis=-1), sample_weight)

    def count(self, labels: Any, predictions: Any, sample_weight: Any) -> None:
        """Add labels and predicted classes, integers of one shape."""
        weights = flat_weights(sample_weight, labels)
        labels, predictions = ops.reshape(labels, (-1,)), ops.cast(ops.reshape(predictions, (-1,)), "int32")
        is_hit = ops.cast(ops.equal(labels, predictions), EXACT)
        weights, labels = within(labels, weights, self.num_classes)
        self.hits.assign_add(ops.segment_sum(weights * is_hit, labels, num_segments=self.num_classes))
        self.true.assign_add(ops.segment_sum(weights, labels, num_segments=self.num_classes))
        self.predicted.assign_add(ops.segment_sum(weights, predictions, num_segments=self.num_classes))

    def mean_over(self, occurs: Any, values: Any) -> Any:
        """Mean of `values`, shape (num_classes,), over the classes that occur; 0 where none does."""
        counted = ops.cast(occurs, EXACT)
        return ops.cast(ops.divide_no_nan(ops.sum(values * counted), ops.sum(counted)), self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes}


def labels_like(metric: keras.metrics.Metric, y_true: Any, y_pred: Any) -> Any:
    """`y_true`, shape (…) or (…, 1), as int32 in the shape of `y_pred` without its last axis.

    Raises:
        InputError: another number of axes, or one-hot labels.
    """
    y_true = ops.convert_to_tensor(y_true)
    axes = len(y_pred.shape) - 1
    is_column = len(y_true.shape) == axes + 1 and y_true.shape[-1] == 1
    if len(y_true.shape) != axes and not is_column:
        raise InputError(
            f"{type(metric).__name__} received labels of shape {tuple(y_true.shape)} for predictions of shape "
            f"{tuple(y_pred.shape)}. Expected integer classes of shape {tuple(y_pred.shape[:-1])}; give one-hot labels "
            "as their argmax."
        )
    return ops.cast(ops.squeeze(y_true, -1) if is_column else y_true, "int32")


def flat_weights(sample_weight: Any, labels: Any) -> Any:
    """The weight of each of `labels`, flat, in float64; weights of the first axes hold for what is inside them."""
    if sample_weight is None:
        return ops.ones((ops.size(labels),), dtype=EXACT)
    weights = ops.cast(sample_weight, EXACT)
    if len(weights.shape) > len(labels.shape):
        return ops.reshape(weights, (-1,))
    missing = len(labels.shape) - len(weights.shape)
    weights = ops.reshape(weights, (*ops.shape(weights), *[1] * missing))
    return ops.reshape(ops.broadcast_to(weights, ops.shape(labels)), (-1,))


def within(numbers: Any, weights: Any, count: int) -> tuple[Any, Any]:
    """Weights and numbers, flat, where those outside 0…count-1 weigh nothing."""
    is_known = ops.logical_and(ops.greater_equal(numbers, 0), ops.less(numbers, count))
    return ops.where(is_known, weights, ops.zeros_like(weights)), ops.where(is_known, numbers, ops.zeros_like(numbers))


def _check_classes(metric: keras.metrics.Metric, y_pred: Any, num_classes: int) -> None:
    if y_pred.shape[-1] != num_classes:
        raise InputError(
            f"{type(metric).__name__}({num_classes}) received predictions of shape {tuple(y_pred.shape)}. Expected "
            f"{num_classes} classes on the last axis; pass num_classes as the number of outputs of the model."
        )
