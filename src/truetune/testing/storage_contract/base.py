"""What the parts of the contract share: how stores are made, and how errors are caught without pytest."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from truetune.errors import StudyError
from truetune.storage.base import Store

Maker = Callable[[str], Store]

STUDY = "study"
"""Name of the study that most tests write."""


class Part(enum.StrEnum):
    """A change to the record that its store must notice."""

    SCORE = "the score of trial 0 becomes another number"
    FOLD_METRIC = "a number in trial 0's `fold_metrics` becomes another one"
    TRIAL = "trial 0 is missing, or has another number"
    DESCRIPTION = "the method in the study's description becomes another word"
    DISCOVERY = "the name of a discovered hyperparameter becomes another one"
    REEVALUATION = "the score of a re-training becomes another number"


class StorageTests(abc.ABC):
    """How the stores of the tests are made."""

    @abc.abstractmethod
    def maker(self) -> Maker:
        """Return a function that creates the study of a name, or joins it if it exists; each call is another owner.

        The function is pickled for the tests that start processes.
        """

    @abc.abstractmethod
    def opener(self) -> Maker:
        """Return a function that opens the study of a name, and raises KeyError if it does not exist."""

    @abc.abstractmethod
    def damage(self, part: Part) -> None:
        """Change the record of the study `STUDY` as a broken disk would."""

    @contextmanager
    def stores(self, count: int, name: str = STUDY) -> Iterator[list[Store]]:
        """Several owners of one study, all in this process."""
        with ExitStack() as stack:
            made = []
            for _ in range(count):
                made.append(self.maker()(name))
                stack.callback(made[-1].close)
            yield made

    @contextmanager
    def store(self, name: str = STUDY) -> Iterator[Store]:
        """A new study, or a further owner of an existing one."""
        with self.stores(1, name) as (made,):
            yield made

    @contextmanager
    def opened(self, name: str = STUDY) -> Iterator[Store]:
        """An existing study."""
        store = self.opener()(name)
        try:
            yield store
        finally:
            store.close()


def raised(action: Callable[[], Any], kind: type[Exception]) -> bool:
    """Whether `action` raises an exception of this kind."""
    try:
        action()
    except kind:
        return True
    return False


def refusal(action: Callable[[], Any]) -> str:
    """The message of the StudyError that `action` raises; "" if it raises none."""
    try:
        action()
    except StudyError as error:
        return str(error)
    return ""
