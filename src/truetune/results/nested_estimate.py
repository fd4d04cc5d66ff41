"""What a nested evaluation says: how good a search's winner is on groups that the whole search has not seen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array
from truetune.errors import StudyError
from truetune.space import Value
from truetune.statistics.intervals import Estimate, estimate
from truetune.system.checksum import checksum
from truetune.system.files import write_atomically


@dataclass(frozen=True)
class OuterFold:
    """One outer fold: a whole search without its rows, whose winner was then measured on them.

    Attributes:
        name: "1 of 5", or the group that is left out.
        hyperparameters, epochs: of that search's winner.
        n_test: rows that it was measured on.
        score: the objective's metric on them, all trainings together.
        states: what the metrics counted on them, one element a training.
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
        metrics: every metric of the model, likewise.
        folds: the outer folds.
    """

    score: Estimate
    metrics: Mapping[str, float]
    folds: tuple[OuterFold, ...]


def nested_estimate(
    folds: Sequence[OuterFold], metrics: Mapping[str, float], name: str, ratio: float
) -> NestedEstimate:
    """The estimate of `folds`.

    The interval is that of corrected k-fold cross-validation (see `fresh_statistics`): the folds' scores spread, and
    their training rows overlap.

    Args:
        folds: all of them.
        metrics: of the rows of all folds together.
        name: of the metric that decides.
        ratio: test rows for each training row of an outer fold.
    """
    score = estimate([metrics[name]], [], ratio, [fold.score for fold in folds])
    return NestedEstimate(score, metrics, tuple(folds))


def write_fold(path: Path, fold: OuterFold, key: str) -> None:
    """Keep a fold that was measured; `key` says of what. Raises StorageError."""
    content: dict[str, Any] = {**vars(fold), "key": key}
    content["states"] = [[variable.tolist() for variable in state] for state in fold.states]
    content["hyperparameters"] = dict(fold.hyperparameters)
    write_atomically(path, json.dumps({**content, "checksum": checksum(content)}).encode(), make_folder=True)


def read_fold(path: Path, key: str) -> OuterFold | None:
    """The fold that was kept; None where there is none, or it is of something else.

    Raises:
        StudyError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("checksum") != checksum(content):
            raise ValueError("its checksum does not fit its content")
        found = content.pop("key")
        content["states"] = tuple([np.asarray(variable) for variable in state] for state in content["states"])
        return OuterFold(**content) if found == key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(
            f"{path} cannot be read ({error}). Remove it: its outer fold is then measured again; nothing else is lost."
        ) from error
