"""Running out of memory is recognised by name and by what is said."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.training.out_of_memory import is_out_of_memory


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhaustedError("Graph execution error"),
        RuntimeError("OOM when allocating tensor with shape[1,2] on /device:GPU:0"),
        ValueError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes."),
    ],
)
def test_memory_ran_out(error):
    assert is_out_of_memory(error)


def test_numpys_and_wrapped_ones_too():
    with pytest.raises(MemoryError) as caught:
        np.ones(2**58)
    wrapped = RuntimeError("the model cannot be built")
    wrapped.__cause__ = caught.value
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(wrapped)


def test_other_errors_are_not():
    assert not is_out_of_memory(ValueError("shapes do not fit"))
