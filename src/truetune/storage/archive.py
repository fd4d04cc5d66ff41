"""Starting over: an earlier study is kept under another name, with the studies of its outer folds and its files."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack

from truetune.storage.exclusive import require_alone
from truetune.storage.leases import Leases
from truetune.storage.paths import StudyPlace
from truetune.storage.store import open_store, study_names

BEGIN_ANEW = "Stop it before you start over with --fresh, or use another --study-name."

_OUTER = re.compile(r".+_outer_(?P<number>\d+)")


def begin_anew(place: StudyPlace, note: Callable[[str], None], lease_seconds: float) -> None:
    """Archive what is in `place`; does nothing where nothing is.

    `note` gets a line for each study and folder that is kept.

    Raises:
        StudyError: another process works on one of the studies; none is archived then.
        StorageError: the record cannot be written.
    """
    with ExitStack() as stack:
        stores = []
        for name in _earlier(place):
            stores.append(open_store(place.url, name))
            stack.callback(stores[-1].close)
        for store in stores:
            require_alone(store, Leases(store.owner, lease_seconds), BEGIN_ANEW)
        for store in stores:
            note(f"Archived the earlier study as '{store.archive()}'.")
    kept = place.archive()
    if kept is not None:
        note(f"Its files are in {kept}.")


def _earlier(place: StudyPlace) -> list[str]:
    """The studies of outer folds, and then the one that they belong to: it is there until all is done."""
    names = study_names(place.url)
    outer = [
        name for name in names if (found := _OUTER.fullmatch(name)) and place.outer(int(found["number"])).name == name
    ]
    return [*outer, *(name for name in names if name == place.name)]
