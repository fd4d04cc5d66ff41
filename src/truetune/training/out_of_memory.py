"""What running out of memory looks like: as an exception, and in what a dying process prints."""

from __future__ import annotations

EXCEPTIONS = ("MemoryError", "ResourceExhaustedError", "OutOfMemoryError")
"""By name, so that neither TensorFlow nor a GPU library has to be imported to recognise theirs."""

PHRASES = ("OOM when allocating", "std::bad_alloc", "RESOURCE_EXHAUSTED: Out of memory", "CUDA_ERROR_OUT_OF_MEMORY")
"""TensorFlow's allocator, the C++ library, XLA, CUDA."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or one in its cause chain, is an out-of-memory error."""
    seen: BaseException | None = error
    while seen is not None:
        if any(kind.__name__ in EXCEPTIONS for kind in type(seen).__mro__) or says_out_of_memory(str(seen)):
            return True
        seen = seen.__cause__
    return False


def says_out_of_memory(text: str) -> bool:
    """Whether `text`, a message or the last lines of a log, reports that memory ran out."""
    return any(phrase in text for phrase in PHRASES)
