"""The exception tree.

Every message states what was received, what was expected, and what to do::

    TruetuneError
    ├── InputError            bad input: the command line exits with 2 and prints no traceback
    │   ├── DataError         the data cannot be used as they are
    │   ├── SpaceError        a hyperparameter has a wrong declaration or value
    │   ├── OptionError       a function has no such option; also a TypeError
    │   ├── ObjectiveError    the objective was never logged
    │   ├── ConfigError       config.py cannot be read or patched safely
    │   ├── ExportError       there is nothing to export, or the JSON was not written by truetune
    │   └── StudyError        the study on disk does not fit this command, is locked or damaged
    ├── StorageError          the disk is full or read-only
    │   └── StorageUnavailable    possibly temporary: a full disk, a locked file, an unreachable database server
    ├── BuildError            the user's own builder or task raised before any trial could run
    └── SearchStopped         the search ended before its budget was spent
        └── RepeatedFailure   several trials in a row failed for the same reason
"""

from __future__ import annotations


class TruetuneError(Exception):
    """Base class of all errors that truetune raises on purpose."""

    exit_code = 1


class InputError(TruetuneError):
    """Bad input."""

    exit_code = 2


class DataError(InputError):
    """The data cannot be used as they are."""


class SpaceError(InputError):
    """A hyperparameter has a wrong declaration or value."""


class OptionError(InputError, TypeError):
    """A function has no such option."""


class ObjectiveError(InputError):
    """The objective was never logged."""


class ConfigError(InputError):
    """`config.py` cannot be read or patched safely."""


class ExportError(InputError):
    """There is nothing to export, or the JSON was not written by truetune."""


class StudyError(InputError):
    """The study on disk does not fit this command, is locked or damaged."""


class StorageError(TruetuneError):
    """The disk is full or read-only."""

    exit_code = 2


class StorageUnavailable(StorageError):
    """The record cannot be written now; trying again later may succeed."""


class BuildError(TruetuneError):
    """The user's own builder, or the file of their task, raised before any trial could run.

    `user_traceback` is the traceback as Python prints it, without truetune's own frames.
    """

    def __init__(self, message: str, user_traceback: str = "") -> None:
        super().__init__(message)
        self.user_traceback = user_traceback


class SearchStopped(TruetuneError):
    """The search ended before its budget was spent."""


class RepeatedFailure(SearchStopped):
    """Several trials in a row failed for the same reason."""
