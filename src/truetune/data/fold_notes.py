"""What a person should know about the folds before trials are trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.groups import mixing_note
from truetune.data.leaks import near_identical
from truetune.data.protocols import Fold
from truetune.data.splits import missing_classes

MOST_SHOWN = 3
FOLDS_COMPARED = 3
"""Neighbours are looked for in some folds only: a tenth of a second each."""


def notes(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    """Lines on what is not wrong, and not as good as it might be.

    Which folds lack a class, among the rows they validate on or train on; whether rows of one group are on both sides
    (a split that the user gave is taken as it is); whether validation rows may be copies of training rows.

    Args:
        development: the rows that are not sealed.
        folds: drawn from them.
    """
    return [*_lacking_classes(development, folds), *_crossing(development, folds), *_near(development, folds)]


def _lacking_classes(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    sides = {
        "validate on": [missing_classes(development, fold.validation) for fold in folds],
        "train on": [missing_classes(development, fold.train) for fold in folds],
    }
    lines = []
    for purpose, missing in sides.items():
        found = [_lack(fold, names, purpose) for fold, names in zip(folds, missing, strict=True) if names]
        if found:
            more = f"; nor have {len(found) - MOST_SHOWN} more folds of some class" if len(found) > MOST_SHOWN else ""
            lines.append("; ".join(found[:MOST_SHOWN]) + f"{more}.")
    return [line[0].upper() + line[1:] for line in lines]


def _lack(fold: Fold, names: Sequence[str], purpose: str) -> str:
    return f"fold {fold.name} has no row of class {', '.join(names)} to {purpose}"


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
                f"The split that was given has rows of {len(shared)} {name}s in both parts ({shown}). The score is one "
                f"for new rows of known {name}s, and says less about a new {name}."
            ]
    return []


def _near(development: Dataset, folds: Sequence[Fold]) -> list[str]:
    for index in np.unique(np.linspace(0, len(folds) - 1, FOLDS_COMPARED).astype(int)):
        line = near_identical(development, folds[index].train, folds[index].validation)
        if line is not None:
            return [line if len(folds) == 1 else f"In fold {folds[index].name}, {line}"]
    return []
