"""Checks that groups are declared if the data look as if some rows belong together.

Rows of one person resemble each other. With some of them in training and others in validation, a model that recognises
the person has a better score than it will have on anyone else (Saeb et al. 2017, The need to approximate the
use-case in clinical machine learning, GigaScience 6(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from truetune.data.levels import Array
from truetune.errors import DataError

PERSONS = frozenset(
    (
        *(
            "subject",
            "subj",
            "sub",
            "participant",
            "patient",
            "person",
            "user",
            "individual",
            "volunteer",
            "respondent",
        ),
        *("proband", "donor", "speaker", "writer", "driver", "student", "customer", "animal", "sid", "pid"),
    )
)
RECORDINGS = frozenset(("recording", "session", "trial"))
_SHORT = frozenset(("sub", "sid", "pid"))
"""These stand for a person by themselves only: `alpha_sub` is something else."""

_IDS = frozenset(
    ("id", "ids", "no", "nr", "number", "code", "name", "key", "index", "idx", "identifier", "uid", "uuid")
)
_COUNTS = frozenset(("n", "num", "number", "count", "total"))
_PARTS_OF_NAMES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class Grouped(Protocol):
    """The parts of a `Dataset` that describe who its rows are from."""

    @property
    def X(self) -> Array | Mapping[str, Array]: ...

    @property
    def groups(self) -> Any: ...

    @property
    def levels(self) -> Mapping[str, Array]: ...

    @property
    def identities(self) -> Mapping[str, Array]: ...

    @property
    def rows_are_independent(self) -> bool: ...


def looks_like_person(name: str) -> bool:
    """Whether a column of that name identifies a person: `participant_id`, not `subjective_rating`.

    The last word before words such as "id" counts: `patient_age` and `n_subjects` identify nobody.
    """
    return _last_word(name) in PERSONS


def looks_like_group(name: str) -> bool:
    """Whether a column of that name identifies a person or a recording."""
    return _last_word(name) in PERSONS | RECORDINGS


def check_declared(dataset: Grouped) -> None:
    """Refuse data that look as if rows belong together but declare neither groups nor independent rows.

    A column with a different value in each row groups nothing and is accepted.

    Raises:
        DataError: no groups, but a column that looks like a person or a recording; or groups together with
            `rows_are_independent`.
    """
    if dataset.rows_are_independent:
        if dataset.groups is not None:
            raise DataError(
                "The data have both groups and rows_are_independent=True. Expected only one of them; omit groups=… or "
                "rows_are_independent=True."
            )
        return
    found = [name for name, column in _named(dataset) if looks_like_group(name) and _repeats(column)]
    if dataset.groups is None and found:
        raise DataError(_refusal(sorted(found, key=lambda name: not looks_like_person(name))))


def _refusal(found: list[str]) -> str:
    name = found[0]
    what = "person" if looks_like_person(name) else "recording"
    others = f" The same holds for {', '.join(map(repr, found[1:]))}." if found[1:] else ""
    return (
        f"The column {name!r} looks as if it identifies the {what} of each row, but no groups are declared.{others} "
        f"With rows of one {what} on both sides of a split, the model may recognise the {what} and the score is too "
        f"good. Expected a declaration: --groups {name}, in Python Dataset(groups=…), keeps rows with the same {name} "
        f"together; --rows-are-independent, in Python Dataset(rows_are_independent=True), declares that no "
        f"rows belong together."
    )


def mixing_note(dataset: Grouped, split_by: str | None) -> str | None:
    """A note if the groups are finer than persons, so that one person may be on both sides of a split; else None.

    Args:
        split_by: the name of what splits go by, as `Dataset.group_name`.
    """
    if dataset.groups is None or split_by is None:
        return None
    for name, column in coarsest(dataset):
        if _is_spread(column, dataset.groups):
            return (
                f"Splits go by {split_by}, so rows of one {name} may be on both sides. The score applies to new rows "
                f"of known {name}s, not to a new {name}."
            )
    return None


def coarsest(dataset: Grouped) -> list[tuple[str, Array]]:
    """The level or the columns that identify the person of each row, by name; empty if unknown."""
    if dataset.levels:
        return list(dataset.levels.items())[:1]
    return [(name, column) for name, column in dataset.identities.items() if looks_like_person(name)]


def _is_spread(column: Array, groups: Array) -> bool:
    """Whether rows with one value in `column` are in several groups."""
    numbers = np.stack([np.unique(values.astype(str), return_inverse=True)[1] for values in (column, groups)])
    return bool(np.unique(numbers, axis=1).shape[1] > len(np.unique(numbers[0])))


def named_columns(X: Any) -> dict[str, Array]:
    """The inputs of a mapping, the columns of a data frame, or the fields of a structured array; empty for others."""
    if isinstance(X, Mapping):
        return dict(X)
    if hasattr(X, "columns"):
        return {str(name): np.asarray(X[name]) for name in X.columns}
    return {name: X[name] for name in getattr(getattr(X, "dtype", None), "names", None) or ()}


def _named(dataset: Grouped) -> Iterator[tuple[str, Array]]:
    yield from dataset.levels.items()
    yield from dataset.identities.items()
    yield from named_columns(dataset.X).items()


def _repeats(column: Array) -> bool:
    """Whether two rows are equal. Hashes of whole rows, so that a field with wide rows is not copied."""
    values = np.asarray(column)
    if values.ndim == 1:
        return len(set(values.astype(str).tolist())) < len(values)
    seen: set[int] = set()
    for row in values:
        if (key := hash(row.tobytes())) in seen:
            return True
        seen.add(key)
    return False


def _last_word(name: str) -> str:
    """In the singular and without a joined "id": `patient_ids` and `patientid` end in patient."""
    words: list[str] = [word.lower() for word in _PARTS_OF_NAMES.findall(name)]
    if len(words) > 1 and words[0] in _COUNTS and words[-1].endswith("s"):
        return ""
    while len(words) > 1 and (words[-1] in _IDS or words[-1].isdigit()):
        words.pop()
    if not words or (words[-1] in _SHORT and len(words) > 1):
        return ""
    last = words[-1]
    return last if last in _SHORT else last.removesuffix("s").removesuffix("id")
