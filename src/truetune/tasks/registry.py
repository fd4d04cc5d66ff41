"""The tasks that come with truetune, and how a user's own is found. A new task is one more entry in `TASKS`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from truetune.errors import BuildError, InputError, TruetuneError
from truetune.task import Task

if TYPE_CHECKING:
    from truetune.config.mapping import ConfigMapping

Result = TypeVar("Result")


@dataclass(frozen=True)
class TaskEntry:
    """One task by name; nothing of it is imported before it is used.

    Attributes:
        factory: `module:function`. The function takes a path to data, or None, and by name `label`, `sfreq`, `dummy`,
            `objective`, `epochs`, `cache_dir`, each None (or False) where nothing was said, and `grouping`, a
            `Grouping`; it returns a `Task`.
        config: `module:attribute` of its `ConfigMapping`, found without loading data.
    """

    factory: str
    config: str

    def make(self, data: Path | None = None, **options: Any) -> Task:
        """Load the data and make the task. Raises InputError on data or options that cannot be used."""
        task: Task = _attribute(self.factory)(data, **options)
        return task

    def mapping(self) -> ConfigMapping:
        mapping: ConfigMapping = _attribute(self.config)
        return mapping


TASKS: Mapping[str, TaskEntry] = {
    "eeg-emotion": TaskEntry(
        factory="truetune.tasks.eeg_emotion.task:make_task",
        config="truetune.tasks.eeg_emotion.mapping:EEG_EMOTION_MAPPING",
    ),
}


def load_task(spec: str) -> Task:
    """A user's own task.

    Args:
        spec: `path/to/file.py:attribute` or `package.module:attribute`. The attribute is a `Task`, or a function
            without arguments that returns one. A file is imported under its own name; worker processes get its
            functions and classes by value, so what it imports itself must be installed or be on PYTHONPATH.

    Raises:
        InputError: nothing is found there, it cannot be imported, or it is no task.
        BuildError: the user's own code raised.
    """
    source, _, attribute = spec.rpartition(":")
    if not source or not attribute:
        raise InputError(
            f"There is no task '{spec}'. Expected one of: {', '.join(TASKS)}; or your own as path/to/file.py:attribute "
            "or package.module:attribute."
        )
    module = _from_file(Path(source)) if source.endswith(".py") else _from_module(source)
    if not hasattr(module, attribute):
        found = ", ".join(name for name, value in vars(module).items() if isinstance(value, Task)) or "no Task"
        raise InputError(f"{source} has no '{attribute}'. Expected the name of a truetune.Task in it; it has {found}.")
    value = getattr(module, attribute)
    task = value if isinstance(value, Task) or not callable(value) else users_own(spec, value)
    if not isinstance(task, Task):
        raise InputError(f"{spec} is a {type(task).__name__}. Expected a truetune.Task, or a function returning one.")
    return task


def users_own(what: str, run: Callable[[], Result]) -> Result:
    """What the user's own code returns.

    Raises:
        BuildError: it raised; with their traceback. What an import raises, and our own errors, stay what they are.
    """
    from truetune.training.tensorflow_start import without_tensorflow_noise

    try:
        with without_tensorflow_noise():
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


def _attribute(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def _from_module(name: str) -> ModuleType:
    try:
        return users_own(name, lambda: importlib.import_module(name))
    except (ImportError, SyntaxError) as error:
        raise InputError(
            f"The module {name} cannot be imported: {error}. Check its spelling, install it, or add its folder to "
            "PYTHONPATH; for a file write path/to/file.py:attribute."
        ) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"There is no file {path}. Expected path/to/file.py:attribute.")
    taken = sys.modules.get(path.stem)
    if taken is not None:
        return _the_same_file(taken, path)
    specification = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    try:
        users_own(str(path), functools.partial(specification.loader.exec_module, module))
    except BaseException as error:
        del sys.modules[path.stem]
        if isinstance(error, ImportError | SyntaxError):
            raise InputError(
                f"{path} cannot be imported: {error}. Correct it; what it imports must be installed or on PYTHONPATH."
            ) from error
        raise
    _travel_by_value(module)
    return module


def _the_same_file(taken: ModuleType, path: Path) -> ModuleType:
    file = getattr(taken, "__file__", None)
    if file is None or Path(file).resolve() != path.resolve():
        raise InputError(
            f"{path} would be imported as '{path.stem}', but that is {file or 'a built-in module'} already. "
            "Expected a name of its own; rename the file."
        )
    return taken


def _travel_by_value(module: ModuleType) -> None:
    """Worker processes cannot import a file that is on no path; cloudpickle sends its code instead."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)
