"""Where the next trial of a Hyperband search stands, from the trials there are.

KerasTuner keeps this as state that is changed trial by trial and cannot be rebuilt; here it is computed. Two of its
defects end with that: a failed trial no longer blocks the promotions of its round, and a restored search stands where
the interrupted one stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from truetune.search.base import Pause
from truetune.search.hyperband.plan import HyperbandPlan
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


def may_be_promoted(plan: HyperbandPlan, climbers: Sequence[Climber], number: int) -> bool:
    """Whether trial `number`, which has ended, may be promoted, or what was promoted from it still runs.

    It may not once the next round has no more places than there are better trials waiting for one: trials that end
    later only add to these.
    """
    of = {climber.number: climber for climber in climbers}[number]
    inside = [climber for climber in climbers if climber.schedule.bracket == of.schedule.bracket]
    children = [climber for climber in inside if climber.schedule.parent == number]
    if children:
        return any(child.running for child in children)
    sizes, following = plan.rounds(of.schedule.bracket or 0), (of.schedule.round or 0) + 1
    if of.score is None or following >= len(sizes):
        return False
    current = _in_round(inside, following)
    better = [c for c in _candidates(_in_round(inside, following - 1), current) if _rank(c) > _rank(of)]
    return len(better) < sizes[following].size - len(current)


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
    return max(_candidates(previous, current), key=_rank, default=None)


def _candidates(previous: Iterable[Climber], current: Iterable[Climber]) -> list[Climber]:
    promoted = {climber.schedule.parent for climber in current}
    return [c for c in previous if c.score is not None and not c.running and c.number not in promoted]


def _rank(climber: Climber) -> tuple[float, int]:
    """Of a trial with a score; the larger is promoted first."""
    assert climber.score is not None
    return climber.score, -climber.number
