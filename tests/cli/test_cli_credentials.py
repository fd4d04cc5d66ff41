"""The password of `--storage` is nowhere: not on screen, not in a file, whatever goes wrong."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from support.cli_runs import Rows, refused
from truetune.cli.errors import typed

PASSWORD = "hunter2-geheim"


class Refusing(threading.Thread):
    """A server that asks for the password as PostgreSQL does, and refuses it, repeating what it was told."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._refuse(connection)

    def _refuse(self, connection):
        (length,) = struct.unpack("!I", connection.recv(4))
        (code,) = struct.unpack("!I", connection.recv(length - 4)[:4])
        if code != 196608:  # it asks for encryption first
            connection.sendall(b"N")
            (length,) = struct.unpack("!I", connection.recv(4))
            connection.recv(length - 4)
        connection.sendall(b"R" + struct.pack("!II", 8, 3))  # in clear text, please
        told = connection.recv(1024)[5:].rstrip(b"\0")
        assert told == PASSWORD.encode()
        fields = b"SFATAL\0C28P01\0Mpassword authentication failed: " + told + b"\0\0"
        connection.sendall(b"E" + struct.pack("!I", 4 + len(fields)) + fields)


@contextmanager
def refusing_server():
    server = Refusing()
    server.start()
    try:
        yield f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:{server.port}/db"
    finally:
        server.listener.close()


@pytest.fixture
def data(here):
    return Rows.make().save(here / "rows.npz")


def nothing_written(folder):
    return [path for path in folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()] == []


COMMANDS = [("tune", "--data", "rows.npz"), ("status",), ("status", "--study-name", "x"), ("clean",)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("no_worker", "data")
def test_a_wrong_password(here, command, monkeypatch):
    monkeypatch.setattr("truetune.storage.database.LONGEST_PAUSE", 0.1)
    monkeypatch.setattr("truetune.storage.database.Patience.limit_seconds", 0.2)
    (here / "models" / "tuning" / "study").mkdir(parents=True)
    with refusing_server() as url:
        message = refused(*command, "--storage", url)
    assert "password authentication failed: ***" in message
    assert PASSWORD not in message
    assert nothing_written(here)


@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/db",
        f"postgresql+psycopg://me:{PASSWORD}@no-such-host.invalid/db",
        f"postgresql+psycopg://me:{PASSWORD}@host:port/db",
        f"postgresql+nodriver://me:{PASSWORD}@host/db",
        f"nosql://me:{PASSWORD}@host/db",
        f"host=h password={PASSWORD} dbname=x",
    ],
    ids=["closed port", "wrong host", "wrong port", "no driver", "no such database", "no URL"],
)
@pytest.mark.usefixtures("no_worker", "data")
def test_a_wrong_place(here, command, url):
    assert PASSWORD not in refused(*command, "--storage", url)
    assert nothing_written(here)


@pytest.mark.parametrize("words", [("--storage", "{}"), ("--storage={}",)])
def test_what_to_type_to_go_on(monkeypatch, words):
    url = f"postgresql+psycopg://me:{PASSWORD}@host/db"
    monkeypatch.setattr("sys.argv", ["truetune", "tune", *(word.format(url) for word in words), "--max-trials", "5"])
    assert PASSWORD not in typed()
    assert "postgresql+psycopg://me:***@host/db" in typed()


@pytest.mark.parametrize("words", [("--storage", "{}"), ("--storage={}",)])
def test_what_is_no_url_is_not_repeated(monkeypatch, words):
    text = f"host=h password={PASSWORD} dbname=x"
    monkeypatch.setattr("sys.argv", ["truetune", "tune", *(word.format(text) for word in words), "--max-trials", "5"])
    assert PASSWORD not in typed()
    assert typed().endswith("--max-trials 5")


@pytest.mark.usefixtures("here")
def test_the_environment_holds_the_url_where_the_command_should_not(monkeypatch):
    monkeypatch.setenv("TRUETUNE_STORAGE", f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/db")
    message = refused("status")
    assert "me:***@127.0.0.1:1/db" in message
    assert PASSWORD not in message
