"""Errors without a traceback: what was received, what was expected, and what to do."""

from __future__ import annotations

import functools
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from truetune.errors import BuildError, TruetuneError


def reported(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn truetune's errors into a message and an exit code, and Ctrl-C into the command that continues."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        with reporting():
            return command(*args, **kwargs)

    return run


@contextmanager
def reporting() -> Iterator[None]:
    """As `reported`, for what stands in the block."""
    try:
        yield
    except BuildError as error:
        click.echo(f"{error.user_traceback}\nError: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except TruetuneError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt as stop:
        why = f" by {stop}" if str(stop) else ""
        click.echo(f"\nStopped{why}; finished work is kept. To continue, run:\n  {typed()}", err=True)
        raise SystemExit(128 + getattr(stop, "number", signal.SIGINT)) from None


def typed() -> str:
    """The command as it was typed, without `--fresh` (which would start over)."""
    program = Path(sys.argv[0])
    words = ["python", sys.argv[0]] if program.suffix == ".py" else [program.name]
    before = ["", *sys.argv[1:]]
    shown = [_shown(word, last) for last, word in zip(before, sys.argv[1:], strict=False) if word != "--fresh"]
    return shlex.join([*words, *shown])


def _shown(word: str, last: str) -> str:
    """`word`, which follows `last`; a URL of a database without its password, also where it is no valid one."""
    option, equals, url = word.partition("=") if word.startswith("--storage=") else ("", "", word)
    if "://" not in url and not option and last != "--storage":
        return word
    from truetune.storage.url import without_password

    return f"{option}{equals}{without_password(url)}"
