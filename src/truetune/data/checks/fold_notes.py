"""Notes on the folds, printed before trials are trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truetune.data.checks.leaks import near_identical
from truetune.data.dataset import Array, Dataset
from truetune.data.groups import mixing_note
from truetune.data.splitting.protocols import Fold
from truetune.data.splitting.splits import missing_classes

MOST_SHOWN = 3
FOLDS_COMPARED = 3
"""Near-duplicates are searched in this many folds only; each takes about a tenth of a second."""


def notes(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    """Lines about properties of the folds that are allowed but may affect the score.

    They cover folds that lack a class for training or validation, rows of one group on both sides (a split given by the
    user is accepted as it is), validation rows that may be copies of training rows, and an unused validation part.

    Args:
        development: the rows that are not sealed.
        folds: drawn from them.
    """
    return [
        *_lacking_classes(development, folds),
        *_crossing(development, folds),
        *_near(development, folds),
        *_parts_unused(development, folds),
    ]


def same_again(folds: Sequence[Fold], fresh: Sequence[Fold]) -> str | None:
    """A note if another seed draws the same splits, so that the re-evaluation has no new ones; else None."""
    sides = [[part for fold in drawn for part in (fold.train, fold.validation)] for drawn in (folds, fresh)]
    if len(folds) != len(fresh) or not all(np.array_equal(a, b) for a, b in zip(*sides, strict=True)):
        return None
    why = "the split was given" if folds[0].by == "given" else "this protocol always draws the same one"
    return (
        f"The re-evaluation uses new seeds but the same split: {why}. Its scores are slightly too optimistic, because "
        "the same rows chose the finalists; scores on the sealed rows are not affected."
    )


def copies_of_sealed(dataset: Dataset, development_rows: Array, test_rows: Array) -> str | None:
    """As `near_identical`, of the sealed rows."""
    return near_identical(dataset, development_rows, test_rows, "sealed")


def _parts_unused(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    has_own = development.parts is not None and bool((development.parts == "validation").any())
    if not has_own or folds[0].by == "given":
        return []
    return ["The given validation part is not used: under this protocol its rows train and validate like all others."]


def _lacking_classes(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    sides = {
        "validate on": [missing_classes(development, fold.validation) for fold in folds],
        "train on": [missing_classes(development, fold.train) for fold in folds],
    }
    lines = []
    for purpose, missing in sides.items():
        found = [_lack(fold, names, purpose) for fold, names in zip(folds, missing, strict=True) if names]
        if found:
            others = len(found) - MOST_SHOWN
            lines.append("; ".join(found[:MOST_SHOWN]) + f"{_more(others)}.")
    return [line[0].upper() + line[1:] for line in lines]


def _more(n_others: int) -> str:
    if n_others < 1:
        return ""
    return "; so does 1 other fold" if n_others == 1 else f"; so do {n_others} other folds"


def _lack(fold: Fold, names: Sequence[str], purpose: str) -> str:
    return f"fold {fold.name} lacks rows of class {', '.join(names)} to {purpose}"


def _crossing(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    if folds[0].by != "given":
        line = mixing_note(development, development.group_name)
        return [] if line is None else [line]
    own = {} if development.groups is None else {str(development.group_name): development.groups}
    for name, ids in {**development.levels, **own}.items():
        shared = np.intersect1d(ids[folds[0].train], ids[folds[0].validation])
        if len(shared):
            shown = ", ".join(map(str, shared[:MOST_SHOWN])) + (", …" if len(shared) > MOST_SHOWN else "")
            return [
                f"The given split has rows of {len(shared)} {name}s in both parts ({shown}). The score applies to new "
                f"rows of known {name}s, not to a new {name}."
            ]
    return []


def _near(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    for index in np.unique(np.linspace(0, len(folds) - 1, FOLDS_COMPARED).astype(int)):
        line = near_identical(development, folds[index].train, folds[index].validation)
        if line is not None:
            return [line if len(folds) == 1 else f"In fold {folds[index].name}, {line}"]
    return []
