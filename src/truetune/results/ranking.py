"""Ranks the trials of a search."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from truetune.objective import Objective
from truetune.space import Value
from truetune.trial import Trial, TrialState


def best_trial(trials: Sequence[Trial], objective: Objective) -> Trial | None:
    """The complete trial with the best finite score; of equal ones the earliest. None if there is none."""
    return next(iter(ranked(trials, objective)), None)


def ranked(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """The complete trials with a finite score, best first; equal ones in the order of their numbers."""
    sign = -1.0 if objective.direction == "max" else 1.0
    scored = [
        (sign * t.score, t.number, t)
        for t in trials
        if t.state is TrialState.COMPLETE and t.score is not None and math.isfinite(t.score)
    ]
    return [trial for *_, trial in sorted(scored, key=lambda entry: entry[:2])]


def best_configurations(trials: Sequence[Trial], objective: Objective, count: int) -> list[Trial]:
    """The best `count` of `ranked` with different values: Hyperband trains one configuration several times."""
    distinct: dict[frozenset[tuple[str, Value]], Trial] = {}
    for trial in ranked(trials, objective):
        distinct.setdefault(frozenset(trial.values.items()), trial)
    return list(distinct.values())[:count]


def count_states(trials: Sequence[Trial]) -> dict[str, int]:
    """The number of trials in each state; states without trials have 0."""
    found = Counter(trial.state for trial in trials)
    return {state.value: found[state] for state in TrialState}
