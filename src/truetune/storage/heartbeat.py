"""Renews this process's lease while it works on a study."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from truetune.errors import StorageError
from truetune.storage.base import Store

BEATS_PER_LEASE = 5


@contextmanager
def alive(store: Store, lease_seconds: float) -> Iterator[None]:
    """Beat in the record of `store`, several times a lease, from a thread: the loop may be busy for seconds.

    On the way out our trials are left to others and the lease is removed, as far as the database can be reached.
    """
    store.beat(0)
    stop = threading.Event()
    thread = threading.Thread(target=_beat, args=(store, lease_seconds / BEATS_PER_LEASE, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _leave(store)


def _beat(store: Store, seconds: float, stop: threading.Event) -> None:
    count = 0
    while not stop.wait(seconds):
        count += 1
        try:
            store.beat(count)
        except StorageError:
            continue  # the loop meets the same error and reports it; the next beat tries again


def _leave(store: Store) -> None:
    try:
        store.free()
        store.leave()
    except StorageError:
        return  # without a beat the lease runs out by itself
