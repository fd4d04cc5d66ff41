"""What a task's model predicts and logs: heads that follow the data, and short names of objectives.

For models of classification: each head logs accuracy, unweighted average recall, the mean of F1 scores and its loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from truetune.data.dataset import Array, Dataset, named
from truetune.errors import DataError, ObjectiveError
from truetune.objective import Objective

CLASSIFICATION = ("accuracy", "uar", "macro_f1", "loss")
"""Accuracy, unweighted average recall, mean of F1 scores, cross-entropy."""

MIN_METRICS = ("loss",)


def heads_of(dataset: Dataset) -> dict[str, int]:
    """Output name → number of classes; one plain label is called `label`."""
    main = dataset.main_output if isinstance(dataset.y, Mapping) else "label"
    columns = named(dataset.y, "label")
    return {name: _n_classes(dataset, values, name == main) for name, values in columns.items()}


def n_features(dataset: Dataset) -> int:
    """Columns of a table of features.

    Raises:
        DataError: X is no table of shape (rows, features).
    """
    if isinstance(dataset.X, Mapping) or dataset.X.ndim != 2:
        received = "several inputs" if isinstance(dataset.X, Mapping) else f"shape {dataset.X.shape}"
        raise DataError(f"The features have {received}. Expected one table of shape (rows, features).")
    return int(dataset.X.shape[1])


def resolve_objective(
    name: str | None,
    heads: Mapping[str, int],
    main: str | None = None,
    metrics: Sequence[str] = CLASSIFICATION,
) -> Objective:
    """`uar` → `val_emotion_uar`, or `val_uar` for a single head; full names stay.

    Args:
        name: None takes the first of `metrics`.
        main: the head that short names mean; None is the last.
        metrics: what the model logs for each head.

    Raises:
        ObjectiveError: the model logs nothing of that name.
    """
    one = len(heads) == 1
    head = main or list(heads)[-1]
    known = {"loss": "val_loss"}
    known |= {metric: f"val_{metric}" if one else f"val_{head}_{metric}" for metric in metrics if metric != "loss"}
    logged = {"val_loss", *known.values()}
    if not one:
        logged |= {f"val_{head}_{metric}" for head in heads for metric in metrics}
    asked = metrics[0] if name is None else name
    resolved = known.get(asked, asked)
    if resolved not in logged:
        raise ObjectiveError(
            f"The objective '{asked}' is never logged by this model. Expected one of {', '.join(metrics)}, or in full: "
            f"{', '.join(sorted(logged))}."
        )
    direction: Literal["min", "max"] = "min" if resolved.endswith(MIN_METRICS) else "max"
    return Objective(resolved, direction)


def _n_classes(dataset: Dataset, values: Array, is_main: bool) -> int:
    known = len(dataset.class_names) if is_main else 0
    return max(known, 2, int(values.max()) + 1)
