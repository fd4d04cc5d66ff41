"""A user's own splitter, in scikit-learn's sense: its folds are checked and are the same in every process."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from truetune.data.dataset import Array, Dataset, named
from truetune.data.splitting.splits import Split, check_training_classes, sorted_splits, unit
from truetune.errors import DataError, InputError


def check_splitter(what: Any, names: Iterable[str]) -> None:
    """Refuse what cannot split. `names` are those that could have been given in its place.

    Raises:
        InputError: `what` has no `split`, or is a class instead of an object.
    """
    if inspect.isclass(what) and callable(getattr(what, "split", None)):
        raise InputError(f"The protocol is the class {what.__name__}. Expected an instance; write {what.__name__}(…).")
    if not callable(getattr(what, "split", None)):
        raise InputError(
            f"The protocol is {what!r}, a {type(what).__name__}. Expected one of {', '.join(names)}, or a splitter "
            "with split(X, y, groups), such as sklearn.model_selection.GroupKFold(5)."
        )


def name_of(splitter: Any) -> str:
    """What it is recorded as: its repr on one line, or its class where the repr would change from run to run."""
    text = " ".join(repr(splitter).split())
    kind = type(splitter)
    return f"{kind.__module__}.{kind.__qualname__}" if re.search(r"\bat 0x[0-9a-fA-F]+", text) else text


def own_splits(splitter: Any, dataset: Dataset, seed: int) -> tuple[Split, ...]:
    """What `splitter` draws from the rows, the same whenever it is asked.

    A splitter without a `random_state` gets `seed`, so that workers draw the folds that the supervisor drew. The
    splitter itself is left as it is.

    Raises:
        DataError: it cannot split these rows; its parts overlap, are empty, or have a group in common; it draws other
            folds each time; or its only fold has a class that is in no training row.
    """
    name = name_of(splitter)
    found = _drawn(splitter, dataset, seed, name)
    again = _drawn(splitter, dataset, seed, name)
    if not _same(found, again):
        raise DataError(
            f"The splitter {name} draws different folds each time. Expected the same ones, since every worker draws "
            "them; set its random state."
        )
    for number, (kept, held) in enumerate(found, start=1):
        _check_parts(dataset, kept, held, f"Fold {number} of the splitter {name}")
    if len(found) == 1:
        check_training_classes(dataset, found[0][0])
    return sorted_splits(dataset, found)


def _drawn(splitter: Any, dataset: Dataset, seed: int, name: str) -> list[tuple[Array, Array]]:
    own = deepcopy(splitter)  # a random state that is an object would move on with every draw
    if getattr(own, "random_state", seed) is None:
        own.random_state = seed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # rare classes and ignored groups, which we look at ourselves
            parts = list(own.split(next(iter(named(dataset.X).values())), dataset.labels, dataset.groups))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The splitter {name} cannot split {len(dataset)} rows {_with_groups(dataset)}: {error} Use another "
            "splitter or protocol, or fix the data."
        ) from error
    if not parts:
        raise DataError(f"The splitter {name} draws no folds. Expected at least one.")
    return [(_rows(kept, len(dataset), name), _rows(held, len(dataset), name)) for kept, held in parts]


def _with_groups(dataset: Dataset) -> str:
    if dataset.groups is None:
        return "without groups"
    return f"of {len(np.unique(dataset.groups))} {unit(dataset)}s"


def _rows(given: Any, n_rows: int, name: str) -> Array:
    rows = np.asarray(given)
    is_valid = rows.ndim == 1 and np.issubdtype(rows.dtype, np.integer) and len(rows) > 0
    if not is_valid or rows.min() < 0 or rows.max() >= n_rows or len(np.unique(rows)) < len(rows):
        raise DataError(
            f"The splitter {name} returns {rows!r} as a part of {n_rows} rows. Expected at least one row number, all "
            f"different, from 0 to {n_rows - 1}."
        )
    return rows


def _same(some: list[tuple[Array, Array]], others: list[tuple[Array, Array]]) -> bool:
    drawn = [[part for fold in folds for part in fold] for folds in (some, others)]
    return len(some) == len(others) and all(np.array_equal(a, b) for a, b in zip(*drawn, strict=True))


def _check_parts(dataset: Dataset, kept: Array, held: Array, which: str) -> None:
    rows = np.intersect1d(kept, held)
    if len(rows):
        raise DataError(
            f"{which} has {len(rows)} rows in both parts, first row {rows[0]}. Expected parts that share no row."
        )
    if dataset.groups is None:
        return
    shared = np.intersect1d(dataset.groups[kept], dataset.groups[held])
    if len(shared):
        raise DataError(
            f"{which} has rows of {len(shared)} {unit(dataset)}s in both parts, first {shared[0]}. Expected every "
            f"{unit(dataset)} in one part only; use a splitter that respects groups, such as GroupKFold or "
            "StratifiedGroupKFold, or pass data without groups."
        )
