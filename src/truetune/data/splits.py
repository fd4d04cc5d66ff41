"""Which rows train, which validate, which are sealed: disjoint by group, stratified as far as groups allow.

scikit-learn's splitters do the splitting.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.errors import DataError
from truetune.seeds import derive_seed


@dataclass(frozen=True)
class Split:
    """Row numbers of two disjoint parts, ascending.

    Attributes:
        kept: the larger part (training, or development when the test part is sealed).
        held: the part held out (validation, or test).
        by: what whole groups were held out, such as "subject"; "row", or "given" when the user had split already.
    """

    kept: Array
    held: Array
    by: str


def holdout(dataset: Dataset, fraction: float, seed: int) -> Split:
    """Hold out about `fraction` of the rows: whole groups where there are groups.

    Raises:
        DataError: one group only, too few rows, or a class that is in no training row.
    """
    choose = _splitter(dataset)
    candidates = list(choose(dataset, fraction, seed))
    if not candidates:
        raise DataError(f"{len(dataset)} rows cannot be split at {fraction:g}. Expected at least 2 rows in each part.")
    complete = [c for c in candidates if not _missing_classes(dataset, c[0])]
    if not complete:
        raise DataError(_explain_missing(dataset, candidates[0][0]))
    best = min(complete, key=lambda c: (len(_missing_classes(dataset, c[1])), abs(len(c[1]) / len(dataset) - fraction)))
    return Split(np.sort(best[0]), np.sort(best[1]), dataset.group_name or "row")


def given(dataset: Dataset, part: str) -> Split | None:
    """The user's own part of that name against all other rows; None where there is no such part.

    Raises:
        DataError: every row is in it, or all rows of a class are.
    """
    if dataset.parts is None or not (dataset.parts == part).any():
        return None
    inside = dataset.parts == part
    if inside.all():
        raise DataError(f"Every row is in the part '{part}'. Expected rows in 'train' too.")
    check_training_classes(dataset, np.flatnonzero(~inside))
    return Split(np.flatnonzero(~inside), np.flatnonzero(inside), "given")


def k_fold(dataset: Dataset, n_folds: int, seed: int) -> tuple[Split, ...]:
    """Every row is held out once; whole groups where there are groups, stratified where there are classes.

    Raises:
        DataError: fewer groups (or rows) than folds.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    n_units = len(dataset) if dataset.groups is None else len(np.unique(dataset.groups))
    if n_units < n_folds:
        what = f"{dataset.group_name or 'row'}s"
        raise DataError(f"There are {n_units} {what} for {n_folds} folds. Expected at least one in each; use fewer.")
    grouped, stratified = dataset.groups is not None, _can_stratify(dataset, n_folds)
    make: Any = {
        (True, True): StratifiedGroupKFold,
        (True, False): GroupKFold,
        (False, True): StratifiedKFold,
        (False, False): KFold,
    }[grouped, stratified]
    splitter = make(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class with fewer members than folds; the protocol shows it
        found = list(splitter.split(np.zeros(len(dataset)), dataset.labels, dataset.groups))
    by = dataset.group_name or "row"
    return tuple(Split(np.sort(kept), np.sort(held), by) for kept, held in found if len(kept) and len(held))


def leave_one_group_out(dataset: Dataset) -> tuple[Split, ...]:
    """Each group is held out once.

    Raises:
        DataError: there are no groups, or one only.
    """
    from sklearn.model_selection import LeaveOneGroupOut

    if dataset.groups is None or len(np.unique(dataset.groups)) < 2:
        raise DataError(
            "Leaving one group out needs rows of at least 2 groups; pass `groups` (--groups NAME), or use k-fold."
        )
    found = LeaveOneGroupOut().split(np.zeros(len(dataset)), dataset.labels, dataset.groups)
    by = dataset.group_name or "row"
    return tuple(Split(kept, held, by) for kept, held in found)


def _can_stratify(dataset: Dataset, n_folds: int) -> bool:
    """Stratifying needs a class with as many rows as there are folds."""
    return dataset.is_classification and bool(np.unique(dataset.labels, return_counts=True)[1].max() >= n_folds)


def check_training_classes(dataset: Dataset, rows: Array) -> None:
    """Raises DataError when a class of the data has no row among `rows`."""
    if _missing_classes(dataset, rows):
        raise DataError(_explain_missing(dataset, rows))


Candidates = Iterator[tuple[Array, Array]]


def _splitter(dataset: Dataset) -> Callable[[Dataset, float, int], Candidates]:
    if dataset.groups is None:
        return _by_row
    n_groups = len(np.unique(dataset.groups))
    if n_groups < 2:
        raise DataError(
            f"All rows belong to one {dataset.group_name} ({dataset.groups[0]!r}). Expected at least 3 "
            f"{dataset.group_name}s (training, validation, test); add some, or pass data without groups to split by "
            "row (--rows-are-independent)."
        )
    return _by_group


def _by_row(dataset: Dataset, fraction: float, seed: int) -> Candidates:
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    n_held = max(1, round(len(dataset) * fraction))
    if n_held >= len(dataset):
        return
    placeholder = np.zeros(len(dataset))
    if dataset.is_classification:
        smallest = np.unique(dataset.labels, return_counts=True)[1]
        if smallest.min() >= 2 and n_held >= len(smallest) and len(dataset) - n_held >= len(smallest):
            splitter: Any = StratifiedShuffleSplit(n_splits=1, test_size=n_held, random_state=seed)
            yield from splitter.split(placeholder, dataset.labels)
            return
    yield from ShuffleSplit(n_splits=5, test_size=n_held, random_state=seed).split(placeholder)


def _by_group(dataset: Dataset, fraction: float, seed: int) -> Candidates:
    """Several draws, so that one can be taken whose training part holds every class."""
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    n_groups = len(np.unique(np.asarray(dataset.groups)))
    placeholder = np.zeros(len(dataset))
    n_folds = min(max(2, round(1 / fraction)), n_groups)
    if not _can_stratify(dataset, n_folds):
        yield from GroupShuffleSplit(5, test_size=fraction, random_state=seed).split(placeholder, groups=dataset.groups)
        return
    for draw in range(3):
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=derive_seed(seed, "draw", draw))
        with warnings.catch_warnings():
            # It warns when a class has fewer members than folds; such folds are judged by `holdout`.
            warnings.simplefilter("ignore")
            folds = list(splitter.split(placeholder, dataset.labels, dataset.groups))
        yield from ((kept, held) for kept, held in folds if len(kept) and len(held))


def _missing_classes(dataset: Dataset, rows: Array) -> set[int]:
    if not dataset.is_classification:
        return set()
    return set(np.unique(dataset.labels).tolist()) - set(np.unique(dataset.labels[rows]).tolist())


def _explain_missing(dataset: Dataset, rows: Array) -> str:
    missing = sorted(_missing_classes(dataset, rows))
    names = [dataset.class_names[m] if dataset.class_names else str(m) for m in missing]
    where = ""
    if dataset.groups is not None:
        owners = {str(g) for m in missing for g in np.unique(dataset.groups[dataset.labels == m])}
        where = f" They occur in {', '.join(sorted(owners))} only."
    return (
        f"Training rows hold no sample of class {', '.join(names)}.{where} Expected every class in training; "
        "add samples of it from more subjects, or drop the class."
    )
