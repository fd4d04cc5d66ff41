"""The exception tree.

Every message says what was received, what was expected, and what to do::

    TruetuneError
    ├── InputError            bad input: the command line exits with 2 and shows no traceback
    │   ├── DataError         the data cannot be used as they are
    │   ├── SpaceError        a hyperparameter is declared or answered wrongly
    │   ├── ObjectiveError    the objective was never logged
    │   ├── ConfigError       config.py cannot be read or patched safely
    │   ├── ExportError       there is nothing to export, or the JSON is not ours
    │   └── StudyError        the study on disk does not fit this command, is locked or damaged
    ├── StorageError          the disk is full or read-only
    │   └── StorageUnavailable    it may pass: a full disk, a locked file, a database server that is away
    ├── BuildError            the user's own builder or task raised before any trial could run
    └── SearchStopped         the search ended before its budget was used
        └── RepeatedFailure   several trials in a row failed for the same reason
"""

from __future__ import annotations


class TruetuneError(Exception):
    """Base of every error that truetune raises on purpose."""

    exit_code = 1


class InputError(TruetuneError):
    """Bad input."""

    exit_code = 2


class DataError(InputError):
    """The data cannot be used as they are."""


class SpaceError(InputError):
    """A hyperparameter is declared or answered wrongly."""


class ObjectiveError(InputError):
    """The objective was never logged."""


class ConfigError(InputError):
    """`config.py` cannot be read or patched safely."""


class ExportError(InputError):
    """There is nothing to export, or the JSON is not one of ours."""


class StudyError(InputError):
    """The study on disk does not fit this command, is locked or damaged."""


class StorageError(TruetuneError):
    """The disk is full or read-only."""

    exit_code = 2


class StorageUnavailable(StorageError):
    """The record cannot be written now, and may be later."""


class BuildError(TruetuneError):
    """The user's own builder, or the file their task is in, raised before any trial could run.

    `user_traceback` is the traceback as Python would have printed it, without our own frames.
    """

    def __init__(self, message: str, user_traceback: str = "") -> None:
        super().__init__(message)
        self.user_traceback = user_traceback


class SearchStopped(TruetuneError):
    """The search ended before its budget was used."""


class RepeatedFailure(SearchStopped):
    """Several trials in a row failed for the same reason."""
