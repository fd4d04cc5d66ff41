"""Where the next trial of a Hyperband search stands, from the trials there are.

KerasTuner keeps this as state that is changed trial by trial and cannot be rebuilt; here it is computed. Two of its
defects end with that: a failed trial no longer blocks the promotions of its round, and a restored search stands where
the interrupted one stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from truetune.search.base import NoSuggestion
from truetune.search.hyperband.plan import HyperbandPlan
from truetune.trial import Schedule


@dataclass(frozen=True)
class BracketTrial:
    """A trial as Hyperband sees it.

    Attributes:
        score: larger is better; None while it runs and when it failed.
        running: not finished yet.
    """

    number: int
    schedule: Schedule
    score: float | None
    running: bool


def next_place(plan: HyperbandPlan, trials: Sequence[BracketTrial], exhausted: bool = False) -> Schedule | NoSuggestion:
    """The schedule of the next trial: the earliest bracket that can go on does.

    Args:
        exhausted: the space has no further configuration, so that first rounds stay as large as they are.
    """
    cut = plan.limit is not None and len(trials) >= plan.limit
    brackets: dict[int | None, list[BracketTrial]] = {}
    for trial in trials:
        brackets.setdefault(trial.schedule.bracket, []).append(trial)
    for serial in range(0 if cut else plan.serials):
        place = _place_in(plan, serial, brackets.get(serial, []), exhausted)
        if place is not None:
            return place
    return NoSuggestion.WAIT if any(trial.running for trial in trials) else NoSuggestion.EXHAUSTED


def may_be_promoted(plan: HyperbandPlan, trials: Sequence[BracketTrial], number: int) -> bool:
    """Whether trial `number`, which has ended, may be promoted, or what was promoted from it still runs.

    It may not once the next round has no more places than there are better trials waiting for one: trials that end
    later only add to these.
    """
    of = {trial.number: trial for trial in trials}[number]
    inside = [trial for trial in trials if trial.schedule.bracket == of.schedule.bracket]
    children = [trial for trial in inside if trial.schedule.parent == number]
    if children:
        return any(child.running for child in children)
    sizes, following = plan.rounds(of.schedule.bracket or 0), (of.schedule.round or 0) + 1
    if of.score is None or following >= len(sizes):
        return False
    current = _in_round(inside, following)
    better = [c for c in _candidates(_in_round(inside, following - 1), current) if _rank(c) > _rank(of)]
    return len(better) < sizes[following].size - len(current)


def _place_in(plan: HyperbandPlan, serial: int, inside: Sequence[BracketTrial], exhausted: bool) -> Schedule | None:
    sizes = plan.rounds(serial)
    previous = _in_round(inside, 0)
    if len(previous) < sizes[0].size and not exhausted:
        return Schedule(epochs=sizes[0].epochs, bracket=serial, round=0)
    expected = len(previous)
    for number in range(1, len(sizes)):
        current = _in_round(inside, number)
        best = _promotable(previous, current)
        waiting = expected - sum(not trial.running for trial in previous)
        if best is not None and len(current) + waiting < sizes[number].size:
            return Schedule(sizes[number].epochs, sizes[number].initial_epoch, best.number, serial, number)
        # A round of which trials failed may stay smaller than planned: nothing more can come once nothing waits.
        closed = waiting == 0 and best is None
        expected = len(current) if closed else sizes[number].size
        previous = current
    return None


def _in_round(inside: Iterable[BracketTrial], number: int) -> list[BracketTrial]:
    return [trial for trial in inside if trial.schedule.round == number]


def _promotable(previous: Iterable[BracketTrial], current: Iterable[BracketTrial]) -> BracketTrial | None:
    """The best of a round that finished and has not been promoted; earlier trials win ties."""
    return max(_candidates(previous, current), key=_rank, default=None)


def _candidates(previous: Iterable[BracketTrial], current: Iterable[BracketTrial]) -> list[BracketTrial]:
    promoted = {trial.schedule.parent for trial in current}
    return [c for c in previous if c.score is not None and not c.running and c.number not in promoted]


def _rank(trial: BracketTrial) -> tuple[float, int]:
    """Of a trial with a score; the larger is promoted first."""
    assert trial.score is not None
    return trial.score, -trial.number
