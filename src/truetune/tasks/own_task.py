"""A user's own task: a Python file or module is imported, and what it names is a `Task` or makes one."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from truetune.errors import InputError
from truetune.task import Task
from truetune.tasks.definition import TaskDefinition, TaskSettings
from truetune.tasks.users_code import users_own

if TYPE_CHECKING:
    from truetune.data.grouping import Grouping

FORMS = "path/to/file.py:attribute or package.module:attribute"


def own_definition(spec: str) -> TaskDefinition:
    """A user's own task, before it is made.

    Args:
        spec: `path/to/file.py:attribute` or `package.module:attribute`. The attribute is a `Task`; or a function that
            returns one, without arguments or with one, the task's options, annotated with their frozen dataclass. A
            file is imported under its own name; worker processes get its functions and classes by value, so what it
            imports itself must be installed or be on PYTHONPATH.

    Raises:
        InputError: nothing is found there, it cannot be imported, it is no task, or its options cannot be read.
        BuildError: the user's own code raised.
    """
    value = _attribute(spec)
    if isinstance(value, Task) or not callable(value):
        return _definition(spec, lambda options: value, None)
    declared = _declared_options(spec, value)
    if declared is None:
        return _definition(spec, lambda options: users_own(spec, value), None)
    return _definition(spec, lambda options: users_own(spec, lambda: value(options)), declared)


def _definition(spec: str, make: Callable[[Any], Any], declared: type | None) -> TaskDefinition:
    def checked(options: Any) -> Task:
        task = make(options)
        if not isinstance(task, Task):
            raise InputError(
                f"{spec} is a {type(task).__name__}. Expected a truetune.Task, or a function returning one."
            )
        return task

    return TaskDefinition(
        spec,
        make=lambda options, settings: _loaded(spec, checked(options), settings),
        find_mapping=lambda options: checked(options).mapping,
        options=declared,
    )


def _loaded(spec: str, task: Task, settings: TaskSettings) -> Task:
    """With its data, which are loaded here, once."""
    if settings.epochs and task.fit.stages:
        raise InputError(
            f"{spec} trains in {len(task.fit.stages)} stages, but --epochs {settings.epochs} was given. Leave it out, "
            "and change the epochs of the stages in that file."
        )
    grouped = replace(task, data=partial(_grouped, task.data, settings.grouping))
    data = users_own(f"The data of {spec}", grouped.load)
    return replace(task, data=data, epochs=settings.epochs or task.epochs)


def _grouped(data: Any, grouping: Grouping) -> Any:
    """A user's own data, grouped as declared before they are checked; what is no Dataset is left to `Task.load`."""
    from truetune.data.dataset import Dataset

    dataset = data() if callable(data) else data
    return grouping.of(dataset) if isinstance(dataset, Dataset) else dataset


def _declared_options(spec: str, function: Callable[..., Any]) -> type | None:
    """The dataclass that annotates the function's argument; None where it is called without one."""
    parameters = _positional(function)
    if not parameters:
        return None
    first, needed = parameters[0], [p for p in parameters if p.default is p.empty]
    hint = first.annotation if isinstance(first.annotation, type) else _hint(spec, function, first.name)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and len(needed) <= 1:
        return hint
    if not needed:
        return None
    raise InputError(
        f"{spec} takes {', '.join(p.name for p in needed)}. Expected a function without arguments, or with one, the "
        f"task's options, annotated with their frozen dataclass: def {spec.rpartition(':')[2]}(options: Options)."
    )


def _positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some callables in C have none
        return []
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _hint(spec: str, function: Any, name: str) -> Any:
    """The annotation of an argument, also where it is written as a string."""
    annotated = function if inspect.isroutine(function) else getattr(function, "func", type(function).__call__)
    try:
        return typing.get_type_hints(annotated).get(name)
    except NameError as error:
        raise InputError(
            f"The options of {spec} cannot be found: {error}. Expected the name of a frozen dataclass in the same file."
        ) from error


def _attribute(spec: str) -> Any:
    source, _, attribute = spec.rpartition(":")
    module = _from_file(Path(source)) if source.endswith(".py") else _from_module(source)
    if not hasattr(module, attribute):
        found = ", ".join(name for name, value in vars(module).items() if isinstance(value, Task)) or "no Task"
        raise InputError(f"{source} has no '{attribute}'. Expected the name of a truetune.Task in it; it has {found}.")
    return getattr(module, attribute)


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
