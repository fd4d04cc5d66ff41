"""URLs of databases, and how they are shown: never with a password."""

from __future__ import annotations

import re
import urllib.parse

import sqlalchemy

from truetune.errors import StudyError
from truetune.storage.credentials import is_secret

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")
"""What may be shown of a text that is no URL: without a scheme, any part of it may be the password."""


def parse_url(url: str) -> sqlalchemy.engine.URL:
    """Raises StudyError, which shows nothing of `url` but its scheme."""
    try:
        return sqlalchemy.engine.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise invalid(url) from None


def invalid(url: str) -> StudyError:
    """The error for a URL of no database."""
    scheme = _SCHEME.match(url)
    received = f"it begins with '{scheme[0]}://'" if scheme else "it has no scheme, such as 'sqlite://'"
    return StudyError(
        f"The storage URL is not valid: {received}. Expected e.g. "
        "sqlite:///models/optuna.db or postgresql+psycopg://user:password@host/database; in a password write %40 "
        "for @, %2F for / and %3A for a colon."
    )


def without_password(url: str) -> str:
    """For a person to read: the password, and whatever else is secret in the query, as `***`."""
    try:
        parsed = parse_url(url)
    except StudyError:
        scheme = _SCHEME.match(url)
        return f"{scheme[0]}://***" if scheme else "***"
    hidden = {name: "***" for name in parsed.query if is_secret(name)}
    shown = parsed.update_query_dict(hidden).render_as_string(hide_password=True)
    return shown.replace("%2A%2A%2A", "***")


def masked(text: str, url: str) -> str:
    """`text` with whatever is secret in `url` as `***`: a driver may repeat what it was given."""
    for secret in _secrets(url):
        text = text.replace(secret, "***")
    return text


def _secrets(url: str) -> list[str]:
    try:
        parsed = parse_url(url)
    except StudyError:
        return [url]
    values = [str(value) for name, value in parsed.query.items() if is_secret(name)]
    values += [str(parsed.password)] if parsed.password else []
    written = {form for value in values for form in (value, urllib.parse.quote(value), urllib.parse.quote_plus(value))}
    return sorted((form for form in written if form), key=len, reverse=True)
