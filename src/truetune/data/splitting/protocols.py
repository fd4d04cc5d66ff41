"""How trials are evaluated: which development rows train and which validate, in one or several folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from truetune.data.dataset import Array, Dataset
from truetune.data.splitting.own_splitter import check_splitter, name_of, own_splits
from truetune.data.splitting.splits import Split, given, holdout, k_fold, leave_one_group_out
from truetune.data.weights import check_some_weight, taken_weights
from truetune.errors import DataError, InputError
from truetune.seeds import derive_seed

VALIDATION_FRACTION = 0.2


@dataclass(frozen=True)
class Fold:
    """One way of training on some development rows and validating on others.

    Attributes:
        name: "1 of 5", or the group that is left out.
        train, validation: row numbers within the development rows, ascending and disjoint.
        by: name of what was kept together, as `Split.by`.
    """

    name: str
    train: Array
    validation: Array
    by: str


@dataclass(frozen=True)
class Protocol:
    """How a trial is evaluated. Two are equal when they draw the same folds.

    Attributes:
        name: one of `PROTOCOLS`, or what a splitter of the user's own is recorded as (see `own_splitter.name_of`).
        n_folds: of "k-fold".
        reshuffle: whether every trial gets a split of its own under "holdout".
        splitter: of the user's own, used in place of a protocol of ours; see `of`.

    Raises:
        InputError: there is no such protocol, fewer than 2 folds, or something to reshuffle that is no holdout.
    """

    name: str = "holdout"
    n_folds: int = 5
    reshuffle: bool = False
    splitter: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.splitter is None and (not isinstance(self.name, str) or self.name not in PROTOCOLS):
            raise InputError(f"The protocol {self.name!r} does not exist. Expected one of: {', '.join(PROTOCOLS)}.")
        if self.n_folds < 2:
            raise InputError(f"{self.n_folds} folds were given. Expected at least 2.")
        if self.reshuffle and self.name != "holdout":
            raise InputError(
                f"--reshuffle was given with the protocol {self.name}. Expected holdout, since other protocols have "
                "fixed folds; omit --reshuffle."
            )

    @classmethod
    def of(cls, what: Any, n_folds: int = 5, reshuffle: bool = False) -> Protocol:
        """The protocol described by `what`.

        Args:
            what: a name; a splitter in scikit-learn's sense, an object with `split(X, y, groups)`, such as
                `sklearn.model_selection.GroupKFold(5)`; or a protocol, which stays as it is.
            n_folds: of "k-fold".
            reshuffle: see `Protocol`.

        Raises:
            InputError: it is none of these; see also `Protocol`.
        """
        if isinstance(what, cls):
            return what
        if isinstance(what, str):
            return cls(what, n_folds, reshuffle)
        check_splitter(what, PROTOCOLS)
        return cls(name_of(what), n_folds, reshuffle, what)

    def to_config(self) -> dict[str, Any]:
        """For the record: what changes the folds."""
        config: dict[str, Any] = {"name": self.name}
        if self.name == "k-fold":
            config["folds"] = self.n_folds
        return {**config, "reshuffle": True} if self.reshuffle else config

    def folds(self, development: Dataset, seed: int) -> tuple[Fold, ...]:
        """The folds that `seed` draws; the same seed draws the same ones, in every process.

        Identical rows on both sides and other properties of the folds are checked once, at the start of a search: see
        `data.checks.leaks` and `data.checks.fold_notes`.

        Raises:
            DataError: the data cannot be split like this, or every row of a part has the weight 0.
        """
        draw = PROTOCOLS[self.name] if self.splitter is None else _own_splitter
        folds = draw(self, development, seed)
        for fold in folds:
            _check_weights(development, fold)
        return folds


def describe(folds: Sequence[Fold]) -> str:
    """How many rows train and validate, for a person."""
    first = folds[0]
    if len(folds) == 1:
        return f"{len(first.train)} rows train, {len(first.validation)} validate (split by {first.by})"
    sizes = sorted(len(fold.validation) for fold in folds)
    validate = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    n_rows = len(first.train) + len(first.validation)
    return f"{n_rows} rows train and validate in {len(folds)} folds by {first.by} ({validate} validate in each)"


def _check_weights(development: Dataset, fold: Fold) -> None:
    for part, rows in (("training", fold.train), ("validation", fold.validation)):
        weights = taken_weights(development.sample_weight, rows)
        check_some_weight(weights, f"the {part} part of fold {fold.name} (split by {fold.by})")


def _holdout(protocol: Protocol, development: Dataset, seed: int) -> tuple[Fold, ...]:
    split = given(development, "validation")
    if split is not None and protocol.reshuffle:
        raise DataError(
            "--reshuffle was given for data with their own validation part. Expected only one of them; omit "
            "--reshuffle or the part 'validation'."
        )
    if split is None:
        split = holdout(development, VALIDATION_FRACTION, derive_seed(seed, "validation"))
    return (_fold("1 of 1", split),)


def _k_fold(protocol: Protocol, development: Dataset, seed: int) -> tuple[Fold, ...]:
    splits = k_fold(development, protocol.n_folds, derive_seed(seed, "validation"))
    return tuple(_fold(f"{i} of {len(splits)}", split) for i, split in enumerate(splits, start=1))


def _leave_one_group_out(protocol: Protocol, development: Dataset, seed: int) -> tuple[Fold, ...]:
    splits = leave_one_group_out(development)
    assert development.groups is not None
    return tuple(_fold(str(development.groups[split.held[0]]), split) for split in splits)


def _own_splitter(protocol: Protocol, development: Dataset, seed: int) -> tuple[Fold, ...]:
    splits = own_splits(protocol.splitter, development, derive_seed(seed, "validation"))
    return tuple(_fold(f"{i} of {len(splits)}", split) for i, split in enumerate(splits, start=1))


def _fold(name: str, split: Split) -> Fold:
    return Fold(name, split.kept, split.held, split.by)


PROTOCOLS: Mapping[str, Callable[[Protocol, Dataset, int], tuple[Fold, ...]]] = {
    "holdout": _holdout,
    "k-fold": _k_fold,
    "leave-one-group-out": _leave_one_group_out,
}
"""What each draws. A holdout whose training part lacks a class is refused; for several folds a note is printed."""
