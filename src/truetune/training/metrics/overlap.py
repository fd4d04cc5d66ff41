"""How far predicted regions overlap the true ones: Jaccard and Dice over all pixels of a data set together.

The mean of the images' own scores, the other common definition, depends on how many images hold a class at all. Here
the pixels of all images are counted before anything is divided, as `keras.metrics.MeanIoU` and the PASCAL VOC
challenge do (Everingham et al., 2010).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from truetune.errors import InputError
from truetune.training.metrics.counts import ClassCounts, labels_like


class _Overlap(ClassCounts):
    """Mean over the classes that occur in `y_true` or among the predictions, with or without class 0."""

    def __init__(self, num_classes: int, include_background: bool, name: str, dtype: Any) -> None:
        super().__init__(num_classes, name, dtype)
        self.include_background = bool(include_background)

    def over_classes(self, values: Any) -> Any:
        occurs = ops.greater(self.true + self.predicted, 0)
        if not self.include_background:
            occurs = ops.logical_and(occurs, ops.arange(self.num_classes) > 0)
        return self.mean_over(occurs, values)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "include_background": self.include_background}


@keras.saving.register_keras_serializable(package="truetune")
class Jaccard(_Overlap):
    """Mean over the classes of hits / (times true + times predicted - hits), the intersection over the union.

    From 0 to 1. Counted over all pixels (or rows) together. A class that occurs neither in `y_true` nor among the
    predictions is left out of the mean. Labels have shape (n, height, width), predictions (n, height, width,
    num_classes), and the largest decides. As `sklearn.metrics.jaccard_score(average="macro", zero_division=0)` on the
    flat pixels (Jaccard, "The distribution of the flora in the alpine zone", 1912).

    Args:
        num_classes: number of classes, the last axis of the predictions.
        include_background: whether class 0 counts in the mean.
        name: as it is logged.

    Raises:
        InputError: fewer than two classes.
    """

    def __init__(
        self, num_classes: int, include_background: bool = True, name: str = "jaccard", dtype: Any = None
    ) -> None:
        super().__init__(num_classes, include_background, name, dtype)

    def result(self) -> Any:
        """The mean index so far, 0 before the first pixel."""
        return self.over_classes(jaccard(self.hits, self.true, self.predicted))


@keras.saving.register_keras_serializable(package="truetune")
class Dice(_Overlap):
    """Mean over the classes of 2·hits / (times true + times predicted).

    From 0 to 1, and never below `Jaccard`. Everything else is as there; on flat pixels it is the macro F1 score (Dice,
    "Measures of the amount of ecologic association between species", 1945).

    Args:
        num_classes: number of classes, the last axis of the predictions.
        include_background: whether class 0 counts in the mean.
        name: as it is logged.

    Raises:
        InputError: fewer than two classes.
    """

    def __init__(
        self, num_classes: int, include_background: bool = True, name: str = "dice", dtype: Any = None
    ) -> None:
        super().__init__(num_classes, include_background, name, dtype)

    def result(self) -> Any:
        """The mean coefficient so far, 0 before the first pixel."""
        return self.over_classes(dice(self.hits, self.true, self.predicted))


class _BinaryOverlap(ClassCounts):
    """Of class 1 alone, where the model has one output."""

    def __init__(self, threshold: float, name: str, dtype: Any) -> None:
        super().__init__(2, name, dtype)
        self.threshold = float(threshold)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: 0 or 1, shape (…) or (…, 1), e.g. (n, height, width); other labels are left out.
            y_pred: probabilities, shape (…, 1); above the threshold they predict 1.
            sample_weight: shape of the labels, or of their first axes, e.g. (n,); None counts each pixel once.

        Raises:
            InputError: predictions with more than one output, or labels of another shape.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] != 1:
            name = type(self).__name__
            raise InputError(
                f"{name} received predictions of shape {tuple(y_pred.shape)}. Expected one output on the last axis; "
                f"for several classes there is {name.removeprefix('Binary')}."
            )
        self.count(labels_like(self, y_true, y_pred), ops.greater(y_pred, self.threshold), sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "threshold": self.threshold}
        del config["num_classes"]
        return config


@keras.saving.register_keras_serializable(package="truetune")
class BinaryJaccard(_BinaryOverlap):
    """hits / (times true + times predicted - hits) of class 1, where the model has one output.

    From 0 to 1, over all pixels together, and 0 where class 1 occurs neither in `y_true` nor among the predictions, as
    `sklearn.metrics.jaccard_score(zero_division=0)`. See `Jaccard`.

    Args:
        threshold: probabilities above it predict class 1.
        name: as it is logged.
    """

    def __init__(self, threshold: float = 0.5, name: str = "binary_jaccard", dtype: Any = None) -> None:
        super().__init__(threshold, name, dtype)

    def result(self) -> Any:
        """The index so far, 0 before the first pixel."""
        return ops.cast(jaccard(self.hits, self.true, self.predicted)[1], self.dtype)


@keras.saving.register_keras_serializable(package="truetune")
class BinaryDice(_BinaryOverlap):
    """2·hits / (times true + times predicted) of class 1, where the model has one output.

    From 0 to 1, over all pixels together, and 0 where class 1 occurs neither in `y_true` nor among the predictions, as
    `sklearn.metrics.f1_score(zero_division=0)`. See `Dice`.

    Args:
        threshold: probabilities above it predict class 1.
        name: as it is logged.
    """

    def __init__(self, threshold: float = 0.5, name: str = "binary_dice", dtype: Any = None) -> None:
        super().__init__(threshold, name, dtype)

    def result(self) -> Any:
        """The coefficient so far, 0 before the first pixel."""
        return ops.cast(dice(self.hits, self.true, self.predicted)[1], self.dtype)


def jaccard(hits: Any, true: Any, predicted: Any) -> Any:
    """Intersection over union, 0 where the union is empty."""
    return ops.divide_no_nan(hits, true + predicted - hits)


def dice(hits: Any, true: Any, predicted: Any) -> Any:
    """Twice the intersection over the sum of both, 0 where both are empty."""
    return ops.divide_no_nan(2.0 * hits, true + predicted)
