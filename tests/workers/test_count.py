"""How many workers, and which GPUs: checked before anything starts."""

from __future__ import annotations

import pytest

from truetune.errors import InputError
from truetune.study.options import SearchOptions
from truetune.system.sizes import GIB


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 1),
        ({"workers": 3}, 3),
        ({"workers": "2"}, 2),
        ({"workers": 0}, 0),
        ({"gpus": "0,1"}, 2),
        ({"gpus": (3,), "workers": 1}, 1),
        ({"gpus": "0,1", "workers": 1}, 1),
    ],
)
def test_a_number_of_workers(options, count):
    assert SearchOptions(**options).worker_count == count


def test_auto_is_at_least_one_and_at_most_one_a_gpu():
    assert SearchOptions(workers="auto").worker_count >= 1
    assert SearchOptions(workers="auto", gpus="5").worker_count == 1


def test_gpus_are_names():
    assert SearchOptions(gpus="0, GPU-8f6b0e9e-1c1f").gpus == ("0", "GPU-8f6b0e9e-1c1f")
    assert SearchOptions(gpus=[0, 1]).gpus == ("0", "1")


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"workers": 3, "gpus": "0,1"}, r"workers=3 was given for 2 GPUs \(0, 1\)"),
        ({"workers": 0, "gpus": "0"}, r"workers=0 trains in this process"),
        ({"workers": "many"}, r"workers=many.*or auto"),
        ({"gpus": "0,0"}, r"Expected each one once"),
        ({"gpus": "first"}, r"GPU 'first'"),
        ({"worker_memory": "much"}, r"size 'much'"),
        ({"max_parameters": 0}, r"max_parameters=0"),
        ({"workers_per_trial": 0}, r"workers_per_trial=0"),
        ({"workers_per_trial": 2, "protocol": "k-fold"}, r"workers_per_trial=2 was given for 1 workers"),
        ({"workers_per_trial": 2, "workers": 2}, r"with protocol holdout, where a trial has one fold"),
    ],
)
def test_what_cannot_be_is_refused(wrong, what):
    with pytest.raises(InputError, match=what):
        SearchOptions(**wrong)


def test_so_many_workers_train_the_folds_of_one_trial():
    assert SearchOptions(workers=4, workers_per_trial=2, protocol="k-fold").workers_per_trial == 2
    assert SearchOptions(workers=2, workers_per_trial=2, protocol="nested").workers_per_trial == 2


def test_memory_is_given_or_shared_out():
    assert SearchOptions(worker_memory="3G").memory_limit == 3 * GIB
    assert SearchOptions(workers=2).memory_limit <= SearchOptions(workers=1).memory_limit
