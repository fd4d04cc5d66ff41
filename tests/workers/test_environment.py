"""What the builder sees in a worker: read from the real process."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import pytest

import truetune

pytestmark = pytest.mark.tensorflow

SEEN = ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_NUM_INTRAOP_THREADS")


def looking_around(folder):
    def build(hp):
        import keras

        environment = {name: os.environ.get(name) for name in SEEN}
        environment["frozen"] = gc.get_freeze_count()
        (Path(folder) / f"{os.getpid()}.json").write_text(json.dumps(environment))
        hp.Int("units", 1, 100)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


def test_each_worker_sees_its_own_gpu_its_memory_grows_and_tensorflow_is_set_aside(tmp_path, blobs):
    seen = tmp_path / "seen"
    seen.mkdir()
    task = truetune.Task("look", looking_around(seen), blobs, truetune.Objective("val_accuracy", "max"), epochs=1)
    truetune.tune(task, max_trials=6, directory=tmp_path, gpus=("4", "7"), finalists=0)
    found = [json.loads(path.read_text()) for path in seen.iterdir()]
    assert {environment["CUDA_VISIBLE_DEVICES"] for environment in found} == {"4", "7"}
    assert {environment["TF_FORCE_GPU_ALLOW_GROWTH"] for environment in found} == {"true"}
    assert {int(environment["TF_NUM_INTRAOP_THREADS"]) for environment in found} == {max(1, cores() // 2)}
    # TensorFlow, Keras and scikit-learn are some 400 000 objects that no collection between trials looks through again
    assert min(environment["frozen"] for environment in found) > 100_000


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
