"""Checks that preprocessing uses only the rows it was fitted on.

A scaler that was fitted on validation or test rows makes every score slightly too good, and nothing else reveals it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from truetune.data.checks.row_hashes import row_hashes
from truetune.data.dataset import Array, Dataset, named
from truetune.errors import DataError
from truetune.task import Preprocessing

MOST_ROWS = 300
FEW_ROWS = 3
DEPTH = 3
TOLERANCE = 1e-3
"""Relative to the largest value, because sums over different numbers of rows are rounded differently."""


def check_preprocessing(make: Callable[[], Preprocessing], train: Dataset, other: Dataset) -> None:
    """Refuse a transformer that uses rows it was not fitted on.

    A separate transformer is fitted on a few hundred training rows. The check finds out whether it changes the arrays
    it is given, whether a row's result depends on the rows transformed with it, whether transforming changes later
    results, and whether it or its factory holds rows of `other` (in attributes, mappings, sequences and closures, three
    levels deep).

    It cannot detect statistics that were computed from all rows beforehand, or rows kept in a file or a global name.

    Args:
        make: creates a new transformer; called once per input.
        train: the fold's training rows, before preprocessing.
        other: the fold's validation rows, before preprocessing.

    Raises:
        DataError: it does one of these.
    """
    for name in named(train.X):
        _Check(make, name, named(train.X)[name], named(other.X)[name]).run()


def check_holds_no_sealed_row(make: Callable[[], Preprocessing], development: Dataset, sealed: Dataset) -> None:
    """Refuse a new transformer or its factory if it holds sealed rows, which no part of a search may use.

    The transformer is created but not fitted. `check_preprocessing` lists the places that are searched.

    Raises:
        DataError: it holds sealed rows.
    """
    for name in named(development.X):
        check = _Check(make, name, named(development.X)[name], named(sealed.X)[name], what="sealed")
        check.check_what_it_holds(make())


class _Check:
    """The checks for one input: `X` are its training rows, `other` the forbidden ones, both of shape (n, …)."""

    def __init__(
        self, make: Callable[[], Preprocessing], name: str, X: Array, other: Array, what: str = "validation"
    ) -> None:
        self.make, self.X, self.other, self.what = make, X, other, what
        self.train_rows, self.other_rows = _some(X), _some(other)
        self.of_input = f" of the input '{name}'" if name else ""
        self.called = getattr(make, "__name__", type(make).__name__)

    def run(self) -> None:
        transformer = self.fitted()
        self.called = type(transformer).__name__
        self.check_what_it_holds(transformer)
        self.check_each_row_alone(transformer)
        self.check_nothing_is_learnt_later(transformer)

    def refuse(self, did: str, expected: str) -> DataError:
        return DataError(f"The preprocessing {self.called}{self.of_input} {did}. Expected {expected}")

    def fitted(self) -> Preprocessing:
        """Fitted on a sample of rows; on all rows if that fails, since a transformer may need more."""
        try:
            return self.fit(self.train_rows)
        except DataError:
            raise
        except Exception:  # from the user's class or scikit-learn; it recurs below unless the sample was too small
            if len(self.train_rows) == len(self.X):
                raise
            return self.fit(np.array(self.X))

    def fit(self, rows: Array) -> Preprocessing:
        transformer, given = self.make(), rows.copy()
        self.called = type(transformer).__name__
        transformer.fit(given)
        if not _equal(given, rows):
            raise self.refuse(
                "changes the rows it is fitted on", "`fit` to leave them unchanged; let it work on a copy."
            )
        return transformer

    def transform(self, transformer: Preprocessing, rows: Array) -> Array:
        out = np.asarray(transformer.transform(rows.copy()))
        if out.ndim == 0 or len(out) != len(rows):
            raise self.refuse(
                f"returns an array of shape {out.shape} for {len(rows)} rows", "one row for each, in the same order."
            )
        return out

    def check_each_row_alone(self, transformer: Preprocessing) -> None:
        together = self.transform(transformer, np.concatenate([self.train_rows, self.other_rows]))
        starts = {0: self.train_rows, len(self.train_rows): self.other_rows}
        for start, rows in starts.items():
            few = rows[:FEW_ROWS]
            if not _close(self.transform(transformer, few), together[start : start + len(few)]):
                raise self.refuse(
                    f"returns different values for {len(few)} rows alone than for the same rows among {len(together)}",
                    "the result for a row to depend only on that row and on `fit`; compute means, ranges and the like "
                    "in `fit` and store them.",
                )

    def check_nothing_is_learnt_later(self, transformer: Preprocessing) -> None:
        before = self.transform(transformer, self.train_rows)
        self.transform(transformer, self.other_rows)
        if not _close(self.transform(transformer, self.train_rows), before):
            raise self.refuse(
                "returns different values for the training rows after it has transformed other rows",
                "`transform` to learn nothing and to use no random numbers; let it learn in `fit` only.",
            )

    def check_what_it_holds(self, transformer: Preprocessing) -> None:
        for where, array in [*_arrays(transformer, "", DEPTH), *_arrays(self.make, "its factory", DEPTH)]:
            count = self.count_of_others(array)
            if count:
                raise self.refuse(
                    f"holds {count} of the {len(self.other_rows)} {self.what} rows searched for (in {where})",
                    "it to hold only what it was fitted on; pass numbers to its factory, such as X.shape[1], instead "
                    "of rows.",
                )

    def count_of_others(self, array: Array) -> int:
        """Number of forbidden rows in `array`, not counting those that are training rows too."""
        size = self.other_rows[0].size
        is_table = array.ndim > 0 and array.dtype.kind in "biuf" and size > 0 and array.size == len(array) * size
        if not is_table or not len(array):
            return 0
        with np.errstate(invalid="ignore", over="ignore"):  # numbers of another kind may not fit
            hashes = row_hashes(array.astype(self.other_rows.dtype).reshape(len(array), -1))
        wanted = row_hashes(self.other_rows)
        found = wanted[np.isin(wanted, hashes)]
        if len(found):
            found = found[~np.isin(found, row_hashes(self.X))]
        least = 2 if size > 1 else len(wanted) // 2  # a single number is found in many places
        return len(found) if len(found) >= min(least, len(wanted)) else 0


def _some(rows: Array) -> Array:
    """A copy of at most `MOST_ROWS` rows, evenly sampled."""
    taken: Array = rows[np.linspace(0, len(rows) - 1, min(MOST_ROWS, len(rows))).astype(int)]
    return taken


def _equal(some: Array, others: Array) -> bool:
    return np.array_equal(some, others, equal_nan=some.dtype.kind in "fc")


def _close(some: Array, others: Array) -> bool:
    if some.shape != others.shape or some.dtype.kind not in "biufc":
        return some.shape == others.shape and bool((some == others).all())
    scale = float(np.nanmax(np.abs(others.astype(float)), initial=0.0))
    return bool(np.allclose(some, others, rtol=0.0, atol=TOLERANCE * scale, equal_nan=True))


def _arrays(holder: Any, where: str, depth: int) -> Iterator[tuple[str, Array]]:
    """Arrays that can be reached from `holder` in `depth` steps, each with its path."""
    for name, value in _parts(holder):
        path = f"{where}.{name}".lstrip(".")
        if hasattr(value, "__array__") and not inspect.isclass(value):
            yield path, np.asarray(value)
        elif depth > 1:
            yield from _arrays(value, path, depth - 1)


def _parts(holder: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(holder, (str, bytes)) or inspect.ismodule(holder):
        return
    if isinstance(holder, Mapping):
        yield from ((str(key), value) for key, value in holder.items())
    elif isinstance(holder, (list, tuple, set, frozenset)):
        yield from ((str(number), value) for number, value in enumerate(holder))
    elif isinstance(holder, functools.partial):
        yield from [("func", holder.func), ("args", holder.args), ("keywords", holder.keywords)]
    else:
        yield from _of_function(holder)
        yield from _of_object(holder)


def _of_function(holder: Any) -> Iterator[tuple[str, Any]]:
    """Closures and defaults; those of its methods for an object."""
    function = inspect.unwrap(getattr(holder, "__func__", holder)) if callable(holder) else holder
    kind = function if inspect.isclass(function) else type(function)
    functions = [function, *vars(kind).values()]
    for found in (item for item in functions if inspect.isfunction(item)):
        yield from inspect.getclosurevars(found).nonlocals.items()
        yield from ((f"{found.__name__}.defaults", value) for value in [found.__defaults__] if value)


def _of_object(holder: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(holder, "__dict__", {}).items()
    for kind in type(holder).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        yield from ((name, getattr(holder, name)) for name in names if hasattr(holder, name))
