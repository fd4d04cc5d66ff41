"""Which trials may still be promoted: what is said to be over stays over."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truetune.search.hyperband.brackets import BracketTrial, may_be_promoted, next_place
from truetune.search.hyperband.plan import HyperbandPlan
from truetune.trial import Schedule


def climb(plan, workers, failures, seed):
    """Yields (trials, number just ended or None) as a search of several workers goes on; scores are drawn."""
    draw = random.Random(seed)
    trials, running = [], []
    while True:
        place = next_place(plan, trials)
        while isinstance(place, Schedule) and len(running) < workers:
            running.append(len(trials))
            trials.append(BracketTrial(len(trials), place, None, running=True))
            yield list(trials), None
            place = next_place(plan, trials)
        if not running:
            return
        number = running.pop(draw.randrange(len(running)))
        score = None if draw.random() < failures else draw.choice([0.1, 0.2, 0.3, draw.random()])
        trials[number] = BracketTrial(number, trials[number].schedule, score, running=False)
        yield list(trials), number


@given(
    seed=st.integers(0, 10**6),
    workers=st.integers(1, 4),
    failures=st.sampled_from([0.0, 0.2]),
    plan=st.sampled_from([HyperbandPlan(9, 3), HyperbandPlan(20, 2), HyperbandPlan(9, 3, iterations=2)]),
)
def test_what_is_over_is_never_promoted(seed, workers, failures, plan):
    over = set()
    for trials, _ in climb(plan, workers, failures, seed):
        parents = {trial.schedule.parent for trial in trials if trial.running}
        assert not over & parents
        ended = [trial.number for trial in trials if not trial.running]
        over |= {number for number in ended if number not in over and not may_be_promoted(plan, trials, number)}
    assert over == {trial.number for trial in trials}, "at the end of a search nothing waits"


def test_losers_are_known_before_the_search_ends():
    """The trials of the first round that wait for nothing are let go while later rounds run."""
    plan = HyperbandPlan(9, 3)
    first = plan.rounds(0)[0].size
    for trials, _ in climb(plan, 1, 0.0, 3):
        if len(trials) == first + plan.rounds(0)[1].size:
            waiting = [c.number for c in trials if not c.running and may_be_promoted(plan, trials, c.number)]
            promoted = {c.schedule.parent for c in trials if c.running}
            assert [n for n in waiting if n < first and n not in promoted] == []
            return
    pytest.fail("the second round never filled")
