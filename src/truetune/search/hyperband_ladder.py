"""Where the next trial of a Hyperband search stands, from the trials there are.

KerasTuner keeps this as state that is changed trial by trial and cannot be rebuilt; here it is computed. Two of its
defects end with that: a failed trial no longer blocks the promotions of its round, and a restored search stands where
the interrupted one stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from truetune.search.base import Pause
from truetune.search.hyperband_plan import HyperbandPlan
from truetune.trial import Schedule


@dataclass(frozen=True)
class Climber:
    """A trial as Hyperband sees it.

    Attributes:
        score: larger is better; None while it runs and when it failed.
        running: not finished yet.
    """

    number: int
    schedule: Schedule
    score: float | None
    running: bool


def next_place(plan: HyperbandPlan, climbers: Sequence[Climber], exhausted: bool = False) -> Schedule | Pause:
    """The schedule of the next trial: the earliest bracket that can go on does.

    Args:
        exhausted: the space has no further configuration, so that first rounds stay as large as they are.
    """
    cut = plan.limit is not None and len(climbers) >= plan.limit
    brackets: dict[int | None, list[Climber]] = {}
    for climber in climbers:
        brackets.setdefault(climber.schedule.bracket, []).append(climber)
    for serial in range(0 if cut else plan.serials):
        place = _place_in(plan, serial, brackets.get(serial, []), exhausted)
        if place is not None:
            return place
    return Pause.WAIT if any(climber.running for climber in climbers) else Pause.EXHAUSTED


def _place_in(plan: HyperbandPlan, serial: int, inside: Sequence[Climber], exhausted: bool) -> Schedule | None:
    sizes = plan.rounds(serial)
    previous = _in_round(inside, 0)
    if len(previous) < sizes[0].size and not exhausted:
        return Schedule(epochs=sizes[0].epochs, bracket=serial, round=0)
    expected = len(previous)
    for number in range(1, len(sizes)):
        current = _in_round(inside, number)
        best = _promotable(previous, current)
        waiting = expected - sum(not climber.running for climber in previous)
        if best is not None and len(current) + waiting < sizes[number].size:
            return Schedule(sizes[number].epochs, sizes[number].initial_epoch, best.number, serial, number)
        # A round of which trials failed may stay smaller than planned: nothing more can come once nothing waits.
        closed = waiting == 0 and best is None
        expected = len(current) if closed else sizes[number].size
        previous = current
    return None


def _in_round(inside: Iterable[Climber], number: int) -> list[Climber]:
    return [climber for climber in inside if climber.schedule.round == number]


def _promotable(previous: Iterable[Climber], current: Iterable[Climber]) -> Climber | None:
    """The best of a round that finished and has not been promoted; earlier trials win ties."""
    promoted = {climber.schedule.parent for climber in current}
    candidates = [c for c in previous if c.score is not None and not c.running and c.number not in promoted]
    return max(candidates, key=lambda c: (c.score, -c.number), default=None)
