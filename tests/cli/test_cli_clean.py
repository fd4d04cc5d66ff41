"""`truetune clean` as a person uses it."""

from __future__ import annotations

import pytest

from support.cli_runs import run


@pytest.fixture
def features(here):
    file = here / "models" / "cache" / f"features-{'a' * 32}.npz"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(3 * 2**20))
    return file


def test_it_shows_asks_and_removes(features):
    result = run("clean", answer="y\n")
    assert result.exit_code == 0, result.output
    assert "3 MiB      1 file  extracted features" in result.output
    assert "Remove these files and free 3 MiB?" in result.output
    assert "Freed 3 MiB." in result.output
    assert not features.exists()


@pytest.mark.parametrize("words", [("--dry-run",), ("--dry-run", "--yes"), ()])
def test_nothing_is_removed_unless_it_is_said(features, words):
    result = run("clean", *words, answer="\n")
    assert "Nothing was removed." in result.output
    assert features.exists()


def test_yes(features):
    assert run("clean", "--yes").exit_code == 0
    assert not features.exists()


def test_nothing_to_do(here):
    assert "There is nothing to remove in models." in run("clean").output
