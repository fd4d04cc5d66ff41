"""Rows with labels and their groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truetune.data.classes import class_numbers
from truetune.data.groups import check_declared, named_columns
from truetune.data.levels import check_no_gaps, compose, group_column
from truetune.data.weights import Weights, as_columns, check_weights, named_weights, taken_weights, weights_per_output
from truetune.errors import DataError

Array = NDArray[Any]
Arrays = Array | Mapping[str, Array]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """Features, labels, and where each row came from.

    Attributes:
        X: features, shape (n_samples, …), or a mapping of input name to such arrays.
        y: labels, shape (n_samples,) of integers 0…n_classes-1, one-hot rows, or any shape Keras trains on; or a
            mapping of output name to such arrays. Splits are stratified by what `classes.class_numbers` finds.
        groups: shape (n_samples,): rows of one group never cross a split (a subject is a group); None where no rows
            belong together. May be given as a mapping of level name to such columns, coarsest first, e.g.
            `{"subject": s, "session": v, "trial": t}`: then it is the coarsest level's, and `levels` has them all.
        class_names: names of the classes of the main output; empty for regression or unknown.
        main_output: the output that decides about stratification; only for a mapping `y`.
        identities: further columns by name, shape (n_samples,), e.g. `trial`, `session`; carried along.
        parts: shape (n_samples,) of "train", "validation", "test" where the user has already split; else None.
        kind: description of the data for the screen and the JSON, e.g. "EEG features" or "dummy EEG signals".
        is_dummy: whether the data are synthetic.
        levels: ids of each level of `groups`, coarsest first, as `levels.compose` returns them; empty if `groups` was
            not a mapping.
        rows_are_independent: the rows are independent even if a column suggests groups.
        sample_weight: shape (n_samples,), finite and at least 0: how much each row counts in the loss and in Keras'
            `weighted_metrics`, in training and validation; `metrics`, splits and preprocessing count rows alike. Or a
            mapping of output name to such columns, one for every output of a mapping `y`.
    """

    X: Arrays
    y: Arrays
    groups: Array | Any | None = None
    class_names: tuple[str, ...] = ()
    main_output: str | None = None
    identities: Mapping[str, Array] = field(default_factory=dict)
    parts: Array | None = None
    kind: str = "arrays"
    is_dummy: bool = False
    levels: Mapping[str, Array] = field(default_factory=dict)
    rows_are_independent: bool = False
    sample_weight: Weights | Any | None = None

    def __post_init__(self) -> None:
        if self.sample_weight is not None:
            object.__setattr__(self, "sample_weight", as_columns(self.sample_weight))
        if isinstance(self.groups, Mapping):
            object.__setattr__(self, "levels", compose(self.groups))
            object.__setattr__(self, "groups", next(iter(self.levels.values())))
        elif self.groups is not None:
            object.__setattr__(self, "groups", group_column("groups", self.groups))

    def __len__(self) -> int:
        return len(next(iter(named(self.X).values())))

    @property
    def labels(self) -> Array:
        """What splits are stratified by: `y`, or its main output; where these are classes, shape (n_samples,)."""
        classes = class_numbers(self._main_y)
        return self._main_y if classes is None else classes

    @property
    def is_classification(self) -> bool:
        return class_numbers(self._main_y) is not None

    @property
    def weights(self) -> Weights | None:
        """`sample_weight` as Keras takes it: a mapping of columns where `y` is a mapping."""
        return weights_per_output(self.sample_weight, self.y)

    @property
    def _main_y(self) -> Array:
        if not isinstance(self.y, Mapping):
            return self.y
        return self.y[self.main_output or list(self.y)[-1]]

    def check(self) -> None:
        """Refuse data that cannot be trained on.

        Raises:
            DataError: no rows, lengths that differ, NaN or infinity, text for labels, labels outside the classes,
                a main output or a part that does not exist, rows without a group, a column that looks like a person
                and no groups, weights that are negative or all 0.
        """
        self._check_names()
        n = len(self)
        if n == 0:
            raise DataError("The data have no rows. Expected at least one sample per class and split.")
        check_weights(self.sample_weight, self.y)
        for name, column in [*named(self.X, "X").items(), *self._columns()]:
            if len(column) != n:
                raise DataError(
                    f"{name} has {len(column)} rows, but X has {n}. Expected one entry per row; check how they "
                    "were loaded."
                )
        self._check_groups()
        for name, values in named(self.X, "X").items():
            _check_finite(name, values)
        for name, values in named(self.y, "y").items():
            _check_numeric(name, values)
            _check_finite(name, values)
        if self.is_classification:
            self._check_classes()

    def _check_groups(self) -> None:
        if self.groups is not None:
            check_no_gaps("groups", self.groups)
        check_declared(self)

    def _check_names(self) -> None:
        if not named(self.X) or not named(self.y):
            raise DataError("X or y is an empty mapping. Expected at least one array in each.")
        if isinstance(self.y, Mapping) and self.main_output is not None and self.main_output not in self.y:
            raise DataError(
                f"The main output is {self.main_output!r}. Expected one of the outputs in y: {', '.join(self.y)}."
            )
        unknown = set() if self.parts is None else set(np.unique(self.parts).tolist()) - set(PARTS)
        if unknown:
            raise DataError(
                f"Some rows are in the part {', '.join(sorted(map(repr, unknown)))}. "
                f"Expected one of {', '.join(PARTS)}."
            )

    def _check_classes(self) -> None:
        labels = self.labels
        low, high = int(labels.min()), int(labels.max())
        known = len(self.class_names)
        if low < 0 or (known and high >= known):
            raise DataError(
                f"Labels run from {low} to {high}. Expected integers from 0 to "
                f"{known - 1 if known else 'the number of classes - 1'}"
                + (f" ({', '.join(self.class_names)})." if known else ".")
            )
        if low == high:
            raise DataError(f"Every row has the label {low}. Expected at least two classes.")

    def take(self, rows: Array) -> Dataset:
        """The given rows, in that order."""
        return replace(
            self,
            X=_take(self.X, rows),
            y=_take(self.y, rows),
            groups=None if self.groups is None else self.groups[rows],
            levels={name: column[rows] for name, column in self.levels.items()},
            identities={name: column[rows] for name, column in self.identities.items()},
            parts=None if self.parts is None else self.parts[rows],
            sample_weight=taken_weights(self.sample_weight, rows),
        )

    @property
    def group_name(self) -> str | None:
        """The name of the level or column that `groups` is; a nameless one is a "subject". None without groups."""
        if self.groups is None:
            return None
        same = (name for name, column in self._group_columns().items() if np.array_equal(column, self.groups))
        return next(same, "subject")

    def grouped_by(self, name: str) -> Dataset:
        """The same rows, with splits by that level, or by that identity or input as it is.

        Raises:
            DataError: there is no such level, identity or input with one value per row.
        """
        known = self._group_columns()
        if name not in known:
            raise DataError(
                f"The rows have no '{name}' to group them by. "
                + (f"Expected one of: {', '.join(known)}." if known else "Pass Dataset(groups=…) or identities.")
            )
        return replace(self, groups=known[name], rows_are_independent=False)

    def with_independent_rows(self) -> Dataset:
        """The same rows, of which none belong together."""
        return replace(self, groups=None, levels={}, rows_are_independent=True)

    def _group_columns(self) -> dict[str, Array]:
        """What splits may go by: levels first, whose ids hold those of the coarser ones."""
        inputs = named_columns(self.X)
        one_a_row = {name: column for name, column in inputs.items() if np.asarray(column).size == len(self)}
        columns = {**one_a_row, **self.identities, **self.levels}
        return {name: np.asarray(column).reshape(-1) for name, column in columns.items()}

    def fingerprint(self) -> str:
        """Changes when a value, a label, a group, a weight or the order of rows changes."""
        digest = hashlib.sha256()
        for name, column in [*named(self.X, "X").items(), *self._columns()]:
            digest.update(f"{name}:{column.dtype.str if column.dtype.kind != 'O' else 'O'}:{column.shape}".encode())
            if column.dtype.kind in "OUS":
                digest.update("\x00".join(map(str, column.ravel().tolist())).encode())
            else:
                digest.update(np.ascontiguousarray(column).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()[:16]

    def _columns(self) -> Iterator[tuple[str, Array]]:
        yield from named(self.y, "y").items()
        if self.groups is not None:
            yield "groups", self.groups
        yield from self.levels.items()
        yield from self.identities.items()
        if self.parts is not None:
            yield "parts", self.parts
        yield from named_weights(self.sample_weight).items()


def named(arrays: Arrays, name: str = "") -> dict[str, Array]:
    """A mapping of the arrays, whether one or several were given."""
    if isinstance(arrays, Mapping):
        return {key: np.asarray(value) for key, value in arrays.items()}
    return {name: np.asarray(arrays)}


def _take(arrays: Arrays, rows: Array) -> Arrays:
    if isinstance(arrays, Mapping):
        return {name: np.asarray(values)[rows] for name, values in arrays.items()}
    return np.asarray(arrays)[rows]


def _check_numeric(name: str, values: Array) -> None:
    if values.dtype.kind in "OUS":
        example = values.reshape(-1)[:1].tolist()[0]
        raise DataError(
            f"{name} holds text or objects, for example {example!r}. Expected numbers; replace classes by integers "
            "from 0 and pass their names as class_names."
        )


def _check_finite(name: str, values: Array) -> None:
    if not np.issubdtype(values.dtype, np.floating):
        return
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{name} holds NaN or infinity in {int(bad.sum())} of {len(values)} rows, first in row {first}. "
            "Expected finite numbers; drop or repair these rows."
        )
