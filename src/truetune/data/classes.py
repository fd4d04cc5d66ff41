"""Which class a row has, in the forms in which Keras' losses take labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def class_numbers(y: NDArray[Any]) -> NDArray[Any] | None:
    """The class of each row, shape (n_samples,), or None where `y` does not hold classes.

    Classes are integers, truth values, or zeros and ones of any type (for a sigmoid), as a vector or as one column;
    and rows of zeros with a single one (one-hot).
    """
    if y.dtype.kind not in "biuf":
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(axis=1) if _is_one_hot(y) else None
    if y.ndim == 2 and y.size and y.min() >= 0:  # in a column, negative integers are something else
        return class_numbers(y[:, 0])
    if y.ndim != 1:
        return None
    if y.dtype.kind in "iu":
        return y
    return y.astype(np.int64) if _is_zeros_and_ones(y) else None


def _is_one_hot(y: NDArray[Any]) -> bool:
    return _is_zeros_and_ones(y[:1]) and _is_zeros_and_ones(y) and bool((y.sum(axis=1) == 1).all())


def _is_zeros_and_ones(y: NDArray[Any]) -> bool:
    return bool(((y == 0) | (y == 1)).all())
