"""The user's declaration of which rows belong together, for data that are loaded elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from truetune.data.dataset import Dataset
from truetune.errors import InputError


@dataclass(frozen=True)
class Grouping:
    """Which rows belong together.

    Attributes:
        groups: the level or column that never crosses a split; None means as the data declare.
        rows_are_independent: no rows belong together, whatever the data declare.

    Raises:
        InputError: both were given.
    """

    groups: str | None = None
    rows_are_independent: bool = False

    def __post_init__(self) -> None:
        if self.groups is not None and self.rows_are_independent:
            raise InputError(
                f"Both --groups {self.groups} and --rows-are-independent were given. Expected one: rows of one "
                f"{self.groups} are kept together, or they are not."
            )

    def of(self, dataset: Dataset) -> Dataset:
        """The same rows, grouped as declared. Raises DataError if the column does not exist."""
        if self.rows_are_independent:
            return dataset.with_independent_rows()
        return dataset if self.groups is None else dataset.grouped_by(self.groups)


UNSAID = Grouping()
"""As the data declare."""
