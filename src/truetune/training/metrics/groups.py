"""How well the group is served that is served worst."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from truetune.errors import InputError
from truetune.training.metrics.counts import EXACT, flat_weights, within


@keras.saving.register_keras_serializable(package="truetune")
class WorstGroupAccuracy(keras.metrics.Metric):  # type: ignore[misc]
    """The lowest accuracy over the groups that occur.

    A high mean may hide that a model fails for one subject, hospital or device (Sagawa et al., "Distributionally
    Robust Neural Networks for Group Shifts", 2020). From 0 to 1. A group without rows is left out.

    The group of a row comes with its label: `y` has two columns, label and group, both integers. So the loss, and every
    other metric of this output, must take column 0::

        def loss(y_true, y_pred):
            return keras.losses.sparse_categorical_crossentropy(y_true[:, 0], y_pred)

        model.compile("adam", loss, metrics=[WorstGroupAccuracy(num_groups=5)])
        data = truetune.Dataset(X, np.stack([labels, subjects], axis=1), groups=subjects)

    Args:
        num_groups: number of groups in all parts of the data together, numbered from 0; rows of any other group are
            left out.
        name: as it is logged.

    Raises:
        InputError: no groups.
    """

    def __init__(self, num_groups: int, name: str = "worst_group_accuracy", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_groups = int(num_groups)
        if self.num_groups < 1:
            raise InputError(f"WorstGroupAccuracy was given num_groups={num_groups}. Expected 1 or more.")
        self.hits = self.add_variable((self.num_groups,), "zeros", dtype=EXACT, name="hits")
        self.rows = self.add_variable((self.num_groups,), "zeros", dtype=EXACT, name="rows")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: shape (n, 2): label and group.
            y_pred: scores or probabilities, shape (n, num_classes); the largest decides.
            sample_weight: shape (n,) or (n, 1); None counts each row once.

        Raises:
            InputError: `y_true` has another shape.
        """
        y_true = ops.convert_to_tensor(y_true)
        if len(y_true.shape) != 2 or y_true.shape[-1] != 2:
            raise InputError(
                f"WorstGroupAccuracy received labels of shape {tuple(y_true.shape)}. Expected shape (rows, 2): the "
                "label and the group of each row; stack them as the two columns of y."
            )
        labels, groups = ops.cast(y_true[:, 0], "int32"), ops.cast(y_true[:, 1], "int32")
        is_hit = ops.cast(ops.equal(labels, ops.cast(ops.argmax(y_pred, axis=-1), "int32")), EXACT)
        weights, groups = within(groups, flat_weights(sample_weight, groups), self.num_groups)
        self.hits.assign_add(ops.segment_sum(weights * is_hit, groups, num_segments=self.num_groups))
        self.rows.assign_add(ops.segment_sum(weights, groups, num_segments=self.num_groups))

    def result(self) -> Any:
        """The lowest accuracy so far, 0 before the first row."""
        occurs = ops.greater(self.rows, 0)
        accuracies = ops.where(occurs, ops.divide_no_nan(self.hits, self.rows), ops.full_like(self.rows, 2.0))
        lowest = ops.min(accuracies)
        return ops.cast(ops.where(lowest > 1.0, ops.zeros_like(lowest), lowest), self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_groups": self.num_groups}
