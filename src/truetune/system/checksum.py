"""Checksums of what we keep, so that damage is noticed and never taken for a result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

CHECKSUM = "checksum"
"""The key of a checksum beside what it is of."""

_DIGEST_LINE = 65
"""64 hexadecimal digits, newline."""


def checksum(content: Mapping[str, Any]) -> str:
    """128 bits of the SHA-256 of `content`; keys in any order, 1 and 1.0 alike, tuples and lists alike."""
    text = json.dumps(_plain(content), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` and its checksum, as JSON keeps them."""
    return {**content, CHECKSUM: checksum(content)}


def without_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """What was given to `with_checksum`. Raises ValueError when it was changed since."""
    kept = {key: value for key, value in content.items() if key != CHECKSUM}
    if checksum(kept) != content.get(CHECKSUM):
        raise ValueError("its checksum does not match its content")
    return kept


def with_digest(magic: bytes, content: bytes | memoryview) -> bytes:
    """A self-describing file: `magic`, a line with the SHA-256 of `content`, and `content`."""
    return b"".join((magic, _digest_line(content), content))


def without_digest(magic: bytes, data: bytes) -> memoryview:
    """The content of what `with_digest` made. Raises ValueError for a file that is not whole."""
    if not data.startswith(magic):
        raise ValueError("its header is not that of this version")
    head = len(magic) + _DIGEST_LINE
    content = memoryview(data)[head:]
    if data[len(magic) : head] != _digest_line(content):
        raise ValueError("its checksum does not match: it was truncated or changed")
    return content


def _digest_line(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, int) and float(value) != value:
        return value  # above 2**53 two integers may be one float
    return float(value)
