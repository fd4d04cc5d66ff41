"""Checksums of what we keep as JSON or in the record, so that damage is noticed and never taken for a result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def checksum(content: Mapping[str, Any]) -> str:
    """128 bits of the SHA-256 of `content`; keys in any order, 1 and 1.0 alike, tuples and lists alike."""
    text = json.dumps(_plain(content), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    return float(value)
