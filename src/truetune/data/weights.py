"""Weights of rows (`Dataset.sample_weight`): how much each counts in the loss and in `weighted_metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truetune.errors import DataError

Array = NDArray[Any]
Weights = Array | Mapping[str, Array]


def as_columns(weights: Any) -> Weights:
    """Arrays of whatever holds the weights: a list, a column of a table, or a mapping of these."""
    if isinstance(weights, Mapping):
        return {name: np.asarray(column) for name, column in weights.items()}
    return np.asarray(weights)


def named_weights(weights: Weights | None) -> dict[str, Array]:
    """The columns by the names that errors and fingerprints know them under; empty without weights."""
    if weights is None:
        return {}
    if isinstance(weights, Mapping):
        return {f"sample_weight of {name}": column for name, column in weights.items()}
    return {"sample_weight": weights}


def taken_weights(weights: Weights | None, rows: Array) -> Weights | None:
    """Of the given rows, in that order."""
    if weights is None or not isinstance(weights, Mapping):
        return None if weights is None else weights[rows]
    return {name: column[rows] for name, column in weights.items()}


def weights_per_output(weights: Weights | None, y: Any) -> Weights | None:
    """The weights in the structure of `y`, as Keras takes them: one column counts for every output."""
    if weights is None or isinstance(weights, Mapping) or not isinstance(y, Mapping):
        return weights
    return dict.fromkeys(y, weights)


def check_weights(weights: Weights | None, y: Any) -> None:
    """Refuse weights that no loss can be multiplied by.

    Raises:
        DataError: outputs without weights or weights without an output, more than one number a row, text, NaN or
            infinity, a negative weight, or none above 0.
    """
    if isinstance(weights, Mapping):
        _check_outputs(weights, y)
    for name, column in named_weights(weights).items():
        _check_column(name, column)
    check_some_weight(weights, "the data")


def _check_outputs(weights: Mapping[str, Array], y: Any) -> None:
    outputs = list(y) if isinstance(y, Mapping) else None
    if outputs is None:
        raise DataError(
            f"sample_weight is a mapping of {', '.join(weights) or 'nothing'}, and y is one array. Expected one column "
            "of shape (n_samples,); a mapping is for a y with several outputs."
        )
    if set(weights) != set(outputs):
        raise DataError(
            f"sample_weight has columns for {', '.join(weights) or 'no output'}, and the outputs in y are "
            f"{', '.join(outputs)}. Expected one column for each output; np.ones(n_samples) weights all rows alike."
        )


def _check_column(name: str, column: Array) -> None:
    if column.ndim != 1:
        raise DataError(
            f"{name} has the shape {column.shape}. Expected one number per row, shape (n_samples,); "
            "weights of single pixels or time steps are not supported."
        )
    if column.dtype.kind not in "biuf":
        raise DataError(f"{name} holds values of type {column.dtype}. Expected numbers of at least 0.")
    bad = ~np.isfinite(column) | (column < 0)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{name} is NaN, infinite or negative in {int(bad.sum())} of {len(column)} rows, first {column[first]} in "
            f"row {first}. Expected finite numbers of at least 0; 0 leaves a row out of the loss."
        )


def check_some_weight(weights: Weights | None, part: str) -> None:
    """Refuse a part in which no row counts: its loss is 0 whatever the model predicts.

    Args:
        weights: of the part's rows.
        part: what to call it, e.g. "the training part of fold 1 of 5".

    Raises:
        DataError: every weight of an output is 0.
    """
    for name, column in named_weights(weights).items():
        if len(column) and not (column > 0).any():
            raise DataError(
                f"{name} is 0 in all {len(column)} rows of {part}, so its loss would be 0 whatever the model predicts. "
                "Expected a weight above 0 in some row; weight its rows, drop them, or split differently."
            )
