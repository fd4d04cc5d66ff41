"""The text of a Python file, decoded as Python would."""

from __future__ import annotations

import codecs
import io
import tokenize
import warnings

from truetune.config.text import ConfigText
from truetune.errors import ConfigError


def decode_python(raw: bytes, name: str, suffix: str) -> ConfigText:
    """Decode a file that Python itself would accept.

    Raises:
        ConfigError: it is no Python.
    """
    check_compiles(raw, name)
    mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(raw[len(mark) :]).readline)
    source = ConfigText(name, raw[len(mark) :].decode(encoding), encoding, mark, suffix)
    if source.raw != raw:
        raise ConfigError(
            f"{name} is encoded as {encoding}, which does not survive decoding and encoding. Save it as UTF-8."
        )
    return source


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
