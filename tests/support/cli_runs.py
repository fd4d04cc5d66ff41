"""The command line as a person uses it, in this process; and what every refusal has in common."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from truetune.cli import main

LONGEST_MESSAGE = 1200
"""Characters; a person reads a refusal in one go."""


def run(*words: str | Path, answer: str | None = None) -> Result:
    """`truetune WORDS…`."""
    return CliRunner().invoke(main, [str(word) for word in words], input=answer)


def refused(*words: str | Path) -> str:
    """The message of a command that must be refused: exit code 2, one readable message, no traceback, no file lost."""
    before = files_here()
    result = run(*words)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2, result.output
    assert before.items() <= files_here().items()
    return message_of(result.output)


def message_of(output: str) -> str:
    """What follows `Error: `, checked for being readable."""
    assert "Traceback" not in output
    assert output.count("Error: ") == 1, output
    message = output.partition("Error: ")[2].strip()
    assert message.endswith((".", "?")), message
    assert "\n\n" not in message
    assert len(message) < LONGEST_MESSAGE, message
    return message


def files_here() -> dict[str, str]:
    """Content of every file below the current folder, by path; of a database what it says."""
    return {
        str(path): hashlib.sha256(_content(path)).hexdigest()
        for path in sorted(Path.cwd().rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock"))
    }


def _content(path: Path) -> bytes:
    if path.suffix != ".db":
        return path.read_bytes()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            return "\n".join(database.iterdump()).encode()
        except sqlite3.DatabaseError:
            return path.read_bytes()


@dataclass(frozen=True)
class Rows:
    """Small feature arrays as a user has them: 4 subjects, 3 classes named by words."""

    X: np.ndarray
    y: np.ndarray
    subject: np.ndarray

    @classmethod
    def make(cls, n: int = 48) -> Rows:
        y = np.arange(n) % 3
        X = np.random.default_rng(0).normal(size=(n, 6)) + y[:, None]
        return cls(X, y, np.repeat(np.arange(4), n // 4))

    def save(self, path: Path) -> Path:
        np.savez(path, X=self.X, y=self.y, subject=self.subject)
        return path
