"""What the trials of a study teach, whichever process trains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from truetune.space import Value
from truetune.study.budget import Budget
from truetune.study.context import StudyContext, StudySettings
from truetune.study.trials.kept_weights import KeptWeights
from truetune.study.trials.size_limits import SizeLimits
from truetune.trial import Trial


class KnownTrials:
    """Which values were trained, what is left of the budget, which models are too large, whose weights are best.

    Args:
        trials: what the record held at the start.
        settings, context: of the study.

    Attributes:
        budget: decides whether another trial may start.
        sizes: knows which models are too large.
        weights: decides whose weights are kept.
    """

    def __init__(self, trials: Sequence[Trial], settings: StudySettings, context: StudyContext) -> None:
        self.budget = Budget(settings.limits, settings.objective, trials)
        self.sizes = SizeLimits(context.space, trials, settings.max_parameters, context.observer)
        self.weights = KeptWeights(context.weights, settings.keep, settings.objective, trials)
        self._values = {_identity(t.values) for t in trials if t.is_built and t.schedule.parent is None}

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether some trial has exactly these values, by key."""
        return _identity(values) in self._values

    def remember(self, values: Mapping[str, Value]) -> None:
        """A trial has these values now."""
        self._values.add(_identity(values))

    def learn(self, trial: Trial) -> None:
        """Take note of how a trial stands, or ended."""
        self.sizes.learn(trial)
        self.weights.learn(trial)
        if trial.state.is_finished:
            self.budget.count(trial)


def _identity(values: Mapping[str, Value]) -> frozenset[tuple[str, Value]]:
    return frozenset(values.items())
