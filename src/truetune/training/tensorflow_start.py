"""Starting TensorFlow without its noise, with the threads it should use.

TensorFlow 2.21 prints to the file descriptor of stderr before any Python-level or environment setting
(`TF_CPP_MIN_LOG_LEVEL` included) takes effect, so the descriptor itself is turned away while it is imported.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = re.compile(
    rb"WARNING: All log messages before absl|[IW]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \S+ [IW] "
    rb"|To enable the following instructions"
)
"""How the lines begin that TensorFlow and its libraries log without being asked."""

_EVERYTHING = re.compile(rb"")


def prepare_environment(threads: int | None = None, gpu: str | None = None) -> None:
    """Environment that TensorFlow reads when it is first imported.

    Args:
        threads: within one operation; None leaves them to TensorFlow.
        gpu: the only one to be seen, by number or UUID; None leaves them all. Its memory is then taken as it is
            needed: TensorFlow would otherwise take all of it at once.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    if threads is not None:
        for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)


def start_tensorflow() -> None:
    """Import TensorFlow, Keras and KerasTuner quietly; at once where they are loaded already."""
    if "keras_tuner" in sys.modules:
        return
    with without_tensorflow_noise(hidden=_EVERYTHING):
        import truetune.hyperparameters  # noqa: F401
    # Building several models in one process is what we do; TensorFlow advises against it at length.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def without_tensorflow_noise(hidden: re.Pattern[bytes] = _NOISE) -> Iterator[None]:
    """Run something that may import TensorFlow: what it prints to stderr is shown at its end, without the `hidden`
    lines; after an exception, all that is not TensorFlow's own noise.
    """
    prepare_environment()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as aside:
        kept = os.dup(2)
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden = _NOISE
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            os.write(2, b"".join(line for line in aside if not hidden.match(line)))


def devices() -> list[str]:
    """Names of the devices that TensorFlow sees, e.g. `CPU:0`."""
    start_tensorflow()
    import tensorflow as tf

    return [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()]
