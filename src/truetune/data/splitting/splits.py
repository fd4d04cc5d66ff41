"""Which rows train, which validate, which are sealed: disjoint by group, stratified as far as groups allow.

scikit-learn's splitters do the splitting.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
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
    """Hold out about `fraction` of the rows, in whole groups if there are groups.

    Raises:
        DataError: one group only, too few rows, or a class that is in no training row.
    """
    choose = _splitter(dataset)
    candidates = list(choose(dataset, fraction, seed))
    if not candidates:
        raise DataError(f"{len(dataset)} rows cannot be split at {fraction:g}. Expected at least 2 rows in each part.")
    complete = [c for c in candidates if not missing_classes(dataset, c[0])]
    if not complete:
        raise DataError(_explain_missing(dataset, candidates[0][0]))
    kept, held = min(complete, key=lambda c: _flaws(dataset, c[1], fraction))
    return Split(np.sort(kept), np.sort(held), unit(dataset))


def _flaws(dataset: Dataset, held: Array, fraction: float) -> tuple[int, float]:
    """Number of classes that cannot be validated; then the deviation of size and class shares from the request."""
    too_many = abs(len(held) / len(dataset) - fraction) / fraction
    return len(missing_classes(dataset, held)), too_many + imbalance(dataset, held)


def given(dataset: Dataset, part: str) -> Split | None:
    """The user's own part of that name against all other rows; None if there is no such part.

    Raises:
        DataError: every row is in it, or all rows of a class are; or rows of one group are inside and outside.
    """
    if dataset.parts is None or not (dataset.parts == part).any():
        return None
    inside = dataset.parts == part
    if inside.all():
        raise DataError(f"Every row is in the part '{part}'. Expected rows in 'train' too.")
    _check_whole_groups(dataset, part, inside)
    check_training_classes(dataset, np.flatnonzero(~inside))
    return Split(np.flatnonzero(~inside), np.flatnonzero(inside), "given")


def _check_whole_groups(dataset: Dataset, part: str, inside: Array) -> None:
    if dataset.groups is None:
        return
    shared = np.intersect1d(dataset.groups[inside], dataset.groups[~inside])
    if len(shared):
        name = unit(dataset)
        raise DataError(
            f"The given part '{part}' has rows of {len(shared)} {name}s that also have rows outside it, first "
            f"{shared[0]}. Expected every {name} on one side. Use whole {name}s; or omit the parts and let truetune "
            f"split; or, to measure new rows of known {name}s, group by what the parts keep whole: --groups NAME, in "
            "Python dataset.grouped_by(NAME)."
        )


def k_fold(dataset: Dataset, n_folds: int, seed: int) -> tuple[Split, ...]:
    """Hold out every row once, in whole groups if there are groups, stratified if there are classes.

    Raises:
        DataError: fewer groups (or rows) than folds.
    """
    n_units = len(dataset) if dataset.groups is None else len(np.unique(dataset.groups))
    if n_units < n_folds:
        raise DataError(
            f"There are {n_units} {unit(dataset)}s for {n_folds} folds. Expected at least as many; use fewer folds."
        )
    folds: list[tuple[Array, Array]] = []
    for splitter in _k_fold_splitters(dataset, n_folds, seed):
        folds = _quietly(splitter, dataset)
        if all(len(held) for _, held in folds):
            break
    return sorted_splits(dataset, folds)


def _k_fold_splitters(dataset: Dataset, n_folds: int, seed: int) -> list[Any]:
    """The best first. Stratifying whole groups may leave a fold empty; sharing them out by size never does."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    stratified: list[Any] = [StratifiedKFold] if dataset.groups is None else [StratifiedGroupKFold]
    plain = KFold if dataset.groups is None else GroupKFold
    makers = [*(stratified if _can_stratify(dataset, n_folds) else []), plain]
    return [make(n_folds, shuffle=True, random_state=seed) for make in makers]


def _quietly(splitter: Any, dataset: Dataset) -> list[tuple[Array, Array]]:
    """Split without the warning that a class has fewer members than folds; `fold_notes` reports missing classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(splitter.split(np.zeros(len(dataset)), dataset.labels, dataset.groups))


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
    return sorted_splits(dataset, found)


def sorted_splits(dataset: Dataset, folds: Iterable[tuple[Array, Array]]) -> tuple[Split, ...]:
    """Folds as splitters of scikit-learn give them, with their rows ascending."""
    by = unit(dataset)
    return tuple(Split(np.sort(kept), np.sort(held), by) for kept, held in folds)


def unit(dataset: Dataset) -> str:
    """Name of what is kept together."""
    return dataset.group_name or "row"


def _can_stratify(dataset: Dataset, n_folds: int) -> bool:
    """Stratifying needs a class with as many rows as there are folds."""
    return dataset.is_classification and bool(np.unique(dataset.labels, return_counts=True)[1].max() >= n_folds)


def check_training_classes(dataset: Dataset, rows: Array) -> None:
    """Raises DataError when a class of the data has no row among `rows`."""
    if missing_classes(dataset, rows):
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
        yield from ((kept, held) for kept, held in _quietly(splitter, dataset) if len(kept) and len(held))


def missing_classes(dataset: Dataset, rows: Array) -> list[str]:
    """Names of the classes of the data that have no row among `rows`; none for regression."""
    if not dataset.is_classification:
        return []
    missing = np.setdiff1d(dataset.labels, dataset.labels[rows])
    return [dataset.class_names[label] if dataset.class_names else str(label) for label in missing.tolist()]


def imbalance(dataset: Dataset, rows: Array) -> float:
    """The largest difference between a class's share of `rows` and its share of all rows; 0 for regression."""
    if not dataset.is_classification:
        return 0.0
    _, labels = np.unique(dataset.labels, return_inverse=True)
    n_classes = int(labels.max()) + 1
    shares = [np.bincount(part, minlength=n_classes) / len(part) for part in (labels, labels[rows])]
    return float(np.abs(shares[0] - shares[1]).max())


def _explain_missing(dataset: Dataset, rows: Array) -> str:
    where, more = "", ""
    if dataset.groups is not None:
        inside = np.isin(dataset.labels, np.setdiff1d(dataset.labels, dataset.labels[rows]))
        owners = sorted({str(group) for group in np.unique(dataset.groups[inside])})
        where, more = f" They occur in {', '.join(owners)} only.", f" from more {unit(dataset)}s"
    return (
        f"Training rows hold no sample of class {', '.join(missing_classes(dataset, rows))}.{where} Expected every "
        f"class in training; add samples of it{more}, or drop the class."
    )
