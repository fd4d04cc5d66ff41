"""Running a user's own code: what it raises is shown with the user's own traceback."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from truetune.errors import BuildError, TruetuneError

Result = TypeVar("Result")


def users_own(what: str, run: Callable[[], Result]) -> Result:
    """What the user's own code returns, without what TensorFlow prints as it starts.

    Raises:
        BuildError: as `blamed`.
    """
    from truetune.training.tensorflow_start import without_tensorflow_noise

    def quiet() -> Result:
        with without_tensorflow_noise():
            return run()

    return blamed(what, quiet)


def blamed(what: str, run: Callable[[], Result]) -> Result:
    """What `run` returns; an error in it is `what`'s.

    Raises:
        BuildError: it raised; with their traceback. What an import raises, and our own errors, stay what they are.
    """
    try:
        return run()
    except (TruetuneError, ImportError, SyntaxError):
        raise
    except Exception as error:
        lines = traceback.format_exception(type(error), error, _their_frames(error))
        raise BuildError(f"{what} raised {type(error).__name__}: {error}. Correct it.", "".join(lines)) from None


def _their_frames(error: Exception) -> Any:
    """The traceback from the first frame that is neither ours nor the import system's."""
    frame = error.__traceback__
    while frame is not None and _is_between(frame.tb_frame.f_globals.get("__name__", "")):
        frame = frame.tb_next
    return frame or error.__traceback__


def _is_between(module: str) -> bool:
    return module.startswith(("truetune.", "importlib", "_frozen_importlib"))
