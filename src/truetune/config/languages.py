"""The languages of config files. The suffix of a file's name decides; what has none that is known here is Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truetune.config.base import ConfigFile
from truetune.config.python.file import PythonFile
from truetune.config.python.text import decode_python
from truetune.config.text import ConfigText
from truetune.config.yaml.file import YamlFile
from truetune.config.yaml.text import MOST_BYTES, decode_yaml
from truetune.errors import ConfigError


@dataclass(frozen=True)
class Language:
    """How files of one language are read.

    Attributes:
        decode: the file's bytes, its name for messages and its suffix → its text.
        parse: its text → the file.
        most_bytes: that are read of a file; -1 reads all. `decode` refuses what has so many.
    """

    decode: Callable[[bytes, str, str], ConfigText]
    parse: Callable[[ConfigText], ConfigFile]
    most_bytes: int = -1


_PYTHON = Language(decode_python, PythonFile.parse)
_YAML = Language(decode_yaml, YamlFile.parse, MOST_BYTES + 1)

LANGUAGES: Mapping[str, Language] = {".py": _PYTHON, ".yaml": _YAML, ".yml": _YAML}
"""By suffix of the file's name, in lower case."""


def config_text(raw: bytes, name: str = "config.py", suffix: str | None = None) -> ConfigText:
    """The text of a file.

    Args:
        raw: its bytes.
        name: how messages call it.
        suffix: decides the language; None takes that of `name`.

    Raises:
        ConfigError: it is not valid in its language.
    """
    suffix = Path(name).suffix if suffix is None else suffix
    return _language(suffix).decode(raw, name, suffix)


def read_text(path: str | Path) -> ConfigText:
    """Read a file that its language's own reader would accept.

    Raises:
        ConfigError: it is missing, unreadable, or not valid in its language.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_language(Path(path).suffix).most_bytes)
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no file {path}. Give the path of an existing config file ({', '.join(LANGUAGES)})."
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}. Give a readable file.") from error
    return config_text(raw, str(path))


def parse_config(text: ConfigText) -> ConfigFile:
    """Find every value. Raises ConfigError: the file cannot be patched byte for byte."""
    return _language(text.suffix).parse(text)


def read_config(path: str | Path, scope: str | None = None, required: Collection[str] = ()) -> dict[str, Any]:
    """Values of a config file by key; see `ConfigFile.literals`. Raises ConfigError: it cannot be read, too."""
    return parse_config(read_text(path)).literals(scope, required)


def _language(suffix: str) -> Language:
    return LANGUAGES.get(suffix.lower(), _PYTHON)
