"""A patch of a config file: the literals it names change, and not one other byte."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truetune.config.backup import Origin, make_backup
from truetune.config.base import Assignment, ConfigFile
from truetune.config.languages import parse_config, read_text
from truetune.config.literals import WrongType, same
from truetune.config.mapping import ConfigValue
from truetune.config.text import ConfigText, split_lines
from truetune.errors import ConfigError
from truetune.system.files import write_atomically


@dataclass(frozen=True)
class Change:
    """One key that gets a new value."""

    key: str
    scope: str
    line: int
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"line {self.line}: {self.key} {self.old!r} -> {self.new!r}"


@dataclass(frozen=True)
class Patch:
    """What would change in a config file; `write` does it.

    Attributes:
        path: the file; None where the source was given as text.
        before, after: its content.
        changes: in the order of the file.
        unchanged: keys that have the wanted value already.
        missing: keys that the file lacks, with the values they should have.
        notes: what else a person should know.
        origin: where the values came from; kept with the backup.
    """

    path: Path | None
    before: ConfigText
    after: ConfigText
    changes: tuple[Change, ...] = ()
    unchanged: tuple[str, ...] = ()
    missing: Mapping[str, ConfigValue] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Origin = field(default_factory=Origin)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def diff(self) -> str:
        """A unified diff for a person to read; empty where nothing changes."""
        name = self.before.name
        old, new = split_lines(self.before.text), split_lines(self.after.text)
        return "\n".join(difflib.unified_diff(old, new, f"{name} (now)", f"{name} (new)", lineterm=""))

    def write(self, backup: bool = True) -> Path | None:
        """Write the file, keeping the old content beside it.

        Returns:
            The backup; None where nothing changes or none was wanted.

        Raises:
            ConfigError: the file is no longer what the patch was planned on.
            StorageError: the disk is full or read-only.
        """
        if self.path is None:
            raise ConfigError("This patch was planned on text. Expected a file; plan it with the file's path.")
        before, after = self.before.raw, self.after.raw
        self._check_still(before)
        if before == after:
            return None
        saved = make_backup(self.path, before, after, self.origin) if backup else None
        write_atomically(self.path, after)
        return saved

    def _check_still(self, before: bytes) -> None:
        assert self.path is not None
        try:
            now = self.path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read any more: {error.strerror or error}. Restore it.") from error
        if now != before:
            raise ConfigError(f"{self.path} was changed after the patch was planned. Plan it again.")


def plan_patch(
    source: str | Path | ConfigText,
    values: Mapping[str, ConfigValue],
    scope: str | None = None,
    comment: str = "",
    optional: Mapping[str, ConfigValue] | None = None,
) -> Patch:
    """Plan to give keys of a config file new values; nothing is written.

    Args:
        source: the file's path, or its text.
        values: by key. A key matches its exact spelling, else one that differs in case only.
        scope: the class or dict that holds the keys (`EEGEmotion`, `CONFIG.training`, `<module>`); None looks
            everywhere.
        comment: left at the end of each changed line as `# truetune: comment`; empty leaves none.
        optional: further keys that are left alone, with a note, where the file has no literal for them.

    Raises:
        ConfigError: a key is not exactly one literal, a type does not fit, or none of the keys is there. Every
            problem is listed.
    """
    text = source if isinstance(source, ConfigText) else read_text(source)
    path = None if isinstance(source, ConfigText) else Path(source)
    config = parse_config(text)
    found, missing = _find(config, values, scope)
    notes: list[str] = []
    found += [one for one in _find_optional(config, optional or {}, scope, notes) if not list(_shared([*found, one]))]
    changed = [(a, value) for a, value in found if not _holds(a, value)]
    unchanged = tuple(a.key for a, value in found if _holds(a, value))
    notes += [f"{config.doubt(a)}. It becomes {value!r} to both." for a, value in changed if a.doubt]
    replaced = config.replace(changed, comment)
    after = _checked(config, replaced.text, found)
    changes = sorted((Change(a.key, a.scope, a.line, a.value, value) for a, value in changed), key=lambda c: c.line)
    return Patch(path, text, after, tuple(changes), unchanged, missing, (*notes, *replaced.notes))


_Found = list[tuple[Assignment, Any]]


def _find(
    config: ConfigFile, values: Mapping[str, ConfigValue], scope: str | None
) -> tuple[_Found, dict[str, ConfigValue]]:
    """(literal, value in its type) for each key, and the keys that the file lacks."""
    found: _Found = []
    missing: dict[str, ConfigValue] = {}
    problems: list[str] = []
    for key, value in values.items():
        try:
            fitted = _find_one(config, key, value, scope)
        except ConfigError as error:
            problems.append(str(error))
            continue
        if fitted is None:
            missing[key] = value
        else:
            found.append(fitted)
    problems += _shared(found)
    if problems:
        raise ConfigError("\n".join(problems))
    if values and not found:
        has = ", ".join(config.keys(scope)[:30]) or "no constants"
        raise ConfigError(
            f"{config.text.name}{f' in {scope}' if scope else ''} has none of the keys {', '.join(values)}. "
            f"It has: {has}. Add the keys, or give another file, scope or mapping."
        )
    return found, missing


def _find_one(config: ConfigFile, key: str, value: ConfigValue, scope: str | None) -> tuple[Assignment, Any] | None:
    _check_finite(key, value)
    assignment = config.require(key, scope)
    if assignment is None:
        return None
    try:
        fitted = config.fit(assignment, value)
    except WrongType as problem:
        raise ConfigError(
            f"{assignment.key} in {config.text.name}, {assignment.place}, {problem}. "
            "Change the type of one of them, or map another key."
        ) from problem
    if assignment.locked and not _holds(assignment, fitted):
        raise config.refusal(assignment, assignment.locked)
    return assignment, fitted


def _holds(assignment: Assignment, value: Any) -> bool:
    """Whether every reader finds `value` there already."""
    return not assignment.doubt and same(value, assignment.value)


def _find_optional(
    config: ConfigFile, values: Mapping[str, ConfigValue], scope: str | None, notes: list[str]
) -> _Found:
    found = []
    for key, value in values.items():
        try:
            fitted = _find_one(config, key, value, scope)
        except ConfigError as error:
            notes.append(f"{key} was left alone. {error}")
            continue
        if fitted is not None:
            found.append(fitted)
    return found


def _shared(found: _Found) -> Iterable[str]:
    """Two wanted keys that match one value, or a list and one of its elements."""
    seen: list[Assignment] = []
    for assignment, _ in found:
        if any(_overlap(assignment, other) for other in seen):
            yield f"{assignment.key} (line {assignment.line}) was matched by two keys. Map each to a key of its own."
        seen.append(assignment)


def _overlap(one: Assignment, other: Assignment) -> bool:
    return (
        one is other or (one.is_element and one.scope == other.path) or (other.is_element and other.scope == one.path)
    )


def _check_finite(key: str, value: ConfigValue) -> None:
    for element in value if isinstance(value, list) else [value]:
        if not isinstance(element, (bool, int, float, str)):
            raise ConfigError(
                f"{key} should become {element!r}. Expected a bool, int, float or str, or a list of them."
            )
        if isinstance(element, float) and not math.isfinite(element):
            raise ConfigError(f"{key} should become {element!r}. Expected a finite number; export another trial.")


def _checked(config: ConfigFile, text: str, found: _Found) -> ConfigText:
    """The patched file, read anew: it must hold the wanted values where they belong, and all else as it was."""
    after = config.reparse(text)
    difference = config.compare(after, found)
    if difference:
        raise ConfigError(
            f"Patching {config.text.name} would {difference}. Nothing was written; edit this file by hand, and please "
            "report the file."
        )
    return after.text
