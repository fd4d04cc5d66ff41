"""A Python file as text that can be edited and put back byte for byte."""

from __future__ import annotations

import codecs
import io
import re
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path

from truetune.errors import ConfigError

NEWLINE = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class ConfigText:
    """One decoded Python file.

    Attributes:
        name: how messages call the file.
        text: the source with its own line ends, without a byte order mark.
        encoding: from the file's encoding cookie; UTF-8 where there is none.
        mark: the byte order mark, or nothing.
    """

    name: str
    text: str
    encoding: str
    mark: bytes = b""

    @classmethod
    def read(cls, path: str | Path) -> ConfigText:
        """Read a file that Python itself would accept.

        Raises:
            ConfigError: it is missing, unreadable, or no Python.
        """
        try:
            raw = Path(path).read_bytes()
        except FileNotFoundError as error:
            raise ConfigError(f"There is no file {path}. Give the path of an existing Python file.") from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}. Give a readable file.") from error
        return cls.from_bytes(raw, str(path))

    @classmethod
    def from_bytes(cls, raw: bytes, name: str = "config.py") -> ConfigText:
        """Decode as Python would; see `read`."""
        check_compiles(raw, name)
        mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw[len(mark) :]).readline)
        source = cls(name, raw[len(mark) :].decode(encoding), encoding, mark)
        if source.raw != raw:
            raise ConfigError(
                f"{name} is encoded as {encoding}, which does not survive decoding and encoding. Save it as UTF-8."
            )
        return source

    @property
    def raw(self) -> bytes:
        """The file's bytes."""
        return self.encode(self.text)

    def encode(self, text: str) -> bytes:
        """`text` as this file would hold it."""
        return self.mark + text.encode(self.encoding)

    def can_encode(self, text: str) -> bool:
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


def check_compiles(raw: bytes, name: str) -> None:
    """Refuse what Python does not compile.

    Raises:
        ConfigError: with the line and Python's own words.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(raw, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f" line {error.lineno}" if error.lineno else ""
        raise ConfigError(f"{name}{where} is not valid Python: {error.msg}. Correct it first.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{name} is not valid Python: {error}. Correct it first.") from error


def line_starts(text: str) -> list[int]:
    """Offset of the first character of each line, as libcst counts lines."""
    return [0, *(match.end() for match in NEWLINE.finditer(text))]


def split_lines(text: str) -> list[str]:
    """Lines without their ends; form feeds and other exotic separators end no line."""
    lines = NEWLINE.split(text)
    return lines[:-1] if lines[-1] == "" else lines
