"""Searches in processes of their own, ended after each test."""

from __future__ import annotations

import pytest

from support.searching import Searching


@pytest.fixture
def search(tmp_path):
    """`search(**options)` makes a `Searching` in the test's folder."""
    made = []

    def make(storage=None, **options):
        made.append(Searching(tmp_path, storage, **options))
        return made[-1]

    yield make
    for searching in made:
        searching.close()
