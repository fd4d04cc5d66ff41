"""What several test files need: small data, and hypothesis without a clock on a busy machine."""

from __future__ import annotations

import gc
import os

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


@pytest.fixture(autouse=True, scope="module")
def _set_aside():
    """Keras collects garbage after every training, and looked at all that TensorFlow and earlier tests have left: in a
    process with hundreds of tests, that took longer than the tests.
    """
    gc.collect()
    gc.freeze()
