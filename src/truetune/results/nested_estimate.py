"""The result of a nested evaluation: how good a search's winner is on groups that the search has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array
from truetune.errors import StudyError
from truetune.space import Value
from truetune.statistics.intervals import Estimate, estimate
from truetune.system.checked_json import MissingJson, UncheckedJson, read_checked, write_checked


@dataclass(frozen=True)
class OuterFold:
    """One outer fold: a search without the fold's rows, and its winner measured on these rows.

    Attributes:
        name: "1 of 5", or the group that is left out.
        hyperparameters, epochs: of that search's winner.
        n_test: number of rows that it was measured on.
        score: the objective's metric on these rows, over all trainings.
        states: the metrics' counts on these rows, one element per training.
    """

    name: str
    hyperparameters: Mapping[str, Value]
    epochs: int
    n_test: int
    score: float
    states: tuple[list[Array], ...]


@dataclass(frozen=True)
class NestedEstimate:
    """How good the winner of such a search is on new groups.

    Attributes:
        score: the objective's metric on the rows of all outer folds together, with its interval.
        metrics: every metric of the model on the same rows.
        folds: the outer folds.
    """

    score: Estimate
    metrics: Mapping[str, float]
    folds: tuple[OuterFold, ...]


def nested_estimate(
    folds: Sequence[OuterFold], metrics: Mapping[str, float], name: str, ratio: float
) -> NestedEstimate:
    """The estimate from `folds`.

    The interval is that of corrected k-fold cross-validation (see `statistics.intervals`), because the folds' training
    rows overlap.

    Args:
        folds: all outer folds.
        metrics: of the rows of all folds together.
        name: the objective's metric.
        ratio: test rows divided by training rows of an outer fold.
    """
    score = estimate([metrics[name]], [], ratio, [fold.score for fold in folds])
    return NestedEstimate(score, metrics, tuple(folds))


def write_fold(path: Path, fold: OuterFold, key: str) -> None:
    """Write a measured fold; `key` identifies what was measured. Raises StorageError."""
    content: dict[str, Any] = {**vars(fold), "key": key}
    content["states"] = [[variable.tolist() for variable in state] for state in fold.states]
    content["hyperparameters"] = dict(fold.hyperparameters)
    write_checked(path, content)


def read_fold(path: Path, key: str) -> OuterFold | None:
    """The fold in the file; None if there is no file or its key differs.

    Raises:
        StudyError: the file is damaged.
    """
    try:
        return read_checked(path, lambda content: _parsed(content, key))
    except MissingJson:
        return None
    except UncheckedJson as error:
        raise StudyError(
            f"{path} cannot be read ({error}). Expected a measured outer fold. Remove the file; only that fold will be "
            "measured again."
        ) from error


def _parsed(content: Mapping[str, Any], key: str) -> OuterFold | None:
    fields = {name: value for name, value in content.items() if name != "key"}
    fields["states"] = tuple([np.asarray(variable) for variable in state] for state in content["states"])
    return OuterFold(**fields) if content["key"] == key else None
