"""Whether this process is alone with a study, for searches that cannot be shared."""

from __future__ import annotations

import time

from truetune.errors import StudyError
from truetune.storage.base import Store
from truetune.storage.leases import Leases, Owner

LOOK_SECONDS = 0.3


def require_alone(store: Store, leases: Leases, advice: str) -> None:
    """Return once every other process that ever worked on the study is known to be dead.

    A process of this machine is looked up. One of another machine is watched until its lease has run out.

    Raises:
        StudyError: one of them is alive; `advice` is the remedy.
    """
    first = store.owners()
    while True:
        owners = store.owners()
        dead = leases.dead(owners)
        others = {token: found for token, found in owners.items() if token != store.owner.token}
        for token, (owner, beat) in others.items():
            if token not in dead and (owner.runs_here() or first.get(token, (owner, beat))[1] != beat):
                raise StudyError(_in_use(store.name, owner, advice))
        store.forget(dead)
        if not others.keys() - dead:
            return
        time.sleep(LOOK_SECONDS)


def _in_use(name: str, owner: Owner, advice: str) -> str:
    return f"Another process (number {owner.pid} on {owner.host}) is tuning study '{name}'. {advice}"
