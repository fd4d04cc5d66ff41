"""Which parts of a database URL are secret, and a URL without them. Light: importing it loads no database library."""

from __future__ import annotations

import re

_SECRET = re.compile("pass|pwd|secret|token|key|auth|credential", re.IGNORECASE)
_USER = re.compile("user", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether the value of the query parameter `name` must not be shown."""
    return _SECRET.search(name) is not None


def strip_credentials(url: str) -> str:
    """A storage URL without user, password and tokens: `postgresql://me:secret@host/db` → `postgresql://host/db`."""
    match = re.match(r"(?P<scheme>[\w+.-]+://)(?:[^:/@]*(?::[^@]*)?@)?(?P<rest>.*)", url, re.DOTALL)
    if match is None:
        return url
    host, slash, path = match["rest"].partition("/")
    address, _, query = (host.rpartition("@")[2] + slash + path).partition("?")
    kept = [pair for pair in query.split("&") if pair and not _is_credential(pair.partition("=")[0])]
    return match["scheme"] + address + ("?" + "&".join(kept) if kept else "")


def _is_credential(name: str) -> bool:
    return is_secret(name) or _USER.search(name) is not None
