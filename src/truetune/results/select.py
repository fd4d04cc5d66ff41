"""Which trial won."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from truetune.task import Objective
from truetune.trial import Trial, TrialState


def best_trial(trials: Sequence[Trial], objective: Objective) -> Trial | None:
    """The complete trial with the best finite score, the earlier one of equals; None where there is none."""
    best: Trial | None = None
    for trial in sorted(trials, key=lambda t: t.number):
        if trial.state is not TrialState.COMPLETE or trial.score is None or not math.isfinite(trial.score):
            continue
        if objective.is_better(trial.score, None if best is None else best.score):
            best = trial
    return best


def count_states(trials: Sequence[Trial]) -> dict[str, int]:
    """How many trials are in each state, every state named."""
    found = Counter(trial.state for trial in trials)
    return {state.value: found[state] for state in TrialState}
