"""Which Hyperband schedule fits into a number of trials.

KerasTuner's oracle takes no number of trials: its schedule follows from `max_epochs`, `factor` and the number of
iterations. The formulas here are its own (`HyperbandOracle._get_size` and `_get_epochs`); a test holds them to it.

Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: Hyperband, JMLR 18 (2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from truetune.errors import InputError

FACTORS = (3, 4, 5, 6, 8, 10)
"""Preferred ratios between a round and the next, of configurations and of epochs."""

COARSE_FACTORS = (12, 15, 20, 30)
"""Tried only where none of the preferred ones fits."""


@dataclass(frozen=True)
class Round:
    """`size` trials that train to `epochs` in all, after `initial_epoch` epochs of their parents."""

    size: int
    epochs: int
    initial_epoch: int


@dataclass(frozen=True)
class HyperbandPlan:
    """One schedule.

    Attributes:
        max_epochs: epochs of a trial that reaches the last round.
        factor: of `factor` trials about one goes on, with `factor` times the epochs.
        iterations: how often all brackets are run.
        limit: trials at which the schedule is cut, where even the smallest is too large.
    """

    max_epochs: int
    factor: int
    iterations: int = 1
    limit: int | None = None

    @property
    def brackets(self) -> int:
        """Brackets of one iteration."""
        epochs, count = float(self.max_epochs), 0
        while epochs >= 1:
            epochs, count = epochs / self.factor, count + 1
        return count

    @property
    def serials(self) -> int:
        """Brackets in all; a bracket is known by its number in the order of starting."""
        return self.brackets * self.iterations

    def rounds(self, serial: int) -> tuple[Round, ...]:
        """The rounds of a bracket. The first bracket of an iteration halves most, the last is plain random search."""
        halvings = self.brackets - 1 - serial % self.brackets
        return tuple(self._round(halvings, number) for number in range(halvings + 1))

    def _round(self, halvings: int, number: int) -> Round:
        last = math.ceil(1 + math.log(self.max_epochs, self.factor)) / (halvings + 1)
        return Round(
            size=math.ceil(last * int(self.factor ** (halvings - number))),
            epochs=self._epochs(halvings, number),
            initial_epoch=0 if number == 0 else self._epochs(halvings, number - 1),
        )

    def _epochs(self, halvings: int, number: int) -> int:
        return math.ceil(self.max_epochs / int(self.factor ** (halvings - number)))

    def _all_rounds(self) -> Iterator[tuple[int, Round]]:
        for serial in range(self.brackets):
            yield from enumerate(self.rounds(serial))

    @property
    def trials(self) -> int:
        """Trials in all, promoted ones counted again."""
        full = self.iterations * sum(round_.size for _, round_ in self._all_rounds())
        return full if self.limit is None else min(full, self.limit)

    @property
    def configurations(self) -> int:
        """Different configurations."""
        full = self.iterations * sum(round_.size for number, round_ in self._all_rounds() if number == 0)
        return full if self.limit is None else min(full, self.limit)

    @property
    def epochs_total(self) -> int:
        """Epochs trained in all; a promoted trial continues and does not train its parent's epochs again."""
        if self.limit is not None:
            return self.limit * self.max_epochs
        return self.iterations * sum(r.size * (r.epochs - r.initial_epoch) for _, r in self._all_rounds())

    @property
    def full_trainings(self) -> float:
        """`epochs_total` in trainings of `max_epochs`."""
        return self.epochs_total / self.max_epochs

    def lines(self) -> list[str]:
        """The schedule in words, a line per bracket."""
        often = "once" if self.iterations == 1 else f"{self.iterations} times"
        lines = [
            f"Hyperband, factor {self.factor}, {often}: {self.trials} trials of {self.configurations} configurations, "
            f"{self.epochs_total} epochs = {self.full_trainings:.1f} full trainings of {self.max_epochs} epochs."
        ]
        if self.brackets == 1:
            lines = [
                f"{self.trials} trials are too few for successive halving, so Hyperband is a random search: "
                f"{self.trials} full trainings of {self.max_epochs} epochs."
            ]
        for serial in range(self.brackets):
            steps = " → ".join(f"{r.size} trials to epoch {r.epochs}" for r in self.rounds(serial))
            lines.append(f"  bracket {serial + 1}: {steps}")
        return lines

    def to_config(self) -> dict[str, Any]:
        """JSON-ready; `from_config` is its inverse."""
        return {
            "max_epochs": self.max_epochs,
            "factor": self.factor,
            "iterations": self.iterations,
            "limit": self.limit,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> HyperbandPlan:
        return cls(**config)


def plan_hyperband(max_trials: int, epochs: int) -> HyperbandPlan:
    """The schedule with the most trials that fits into `max_trials` trials of at most `epochs` epochs.

    Every winner trains `epochs` epochs. Where no schedule that halves fits, what is left of Hyperband is its last
    bracket, random search.

    Raises:
        InputError: a number below 1.
    """
    if max_trials < 1 or epochs < 1:
        raise InputError(f"max_trials={max_trials} and epochs={epochs} were given. Expected at least 1 of each.")
    for factors in (FACTORS, COARSE_FACTORS):
        plans = [_repeated(HyperbandPlan(epochs, factor), max_trials) for factor in factors]
        fitting = [plan for plan in plans if plan.brackets > 1 and plan.trials <= max_trials]
        if fitting:
            return max(fitting, key=lambda plan: (plan.trials, plan.iterations))
    return _random_search(max_trials, epochs)


def extend_hyperband(plan: HyperbandPlan, max_trials: int) -> HyperbandPlan:
    """`plan` with as many further iterations as `max_trials` holds; what was started keeps its place."""
    if plan.brackets == 1:
        extended = _random_search(max_trials, plan.max_epochs)
        return extended if extended.trials > plan.trials else plan
    return max(plan, _repeated(plan, max_trials), key=lambda candidate: candidate.iterations)


def _repeated(plan: HyperbandPlan, max_trials: int) -> HyperbandPlan:
    once = replace(plan, iterations=1, limit=None)
    return replace(once, iterations=max(1, max_trials // once.trials))


def _random_search(max_trials: int, epochs: int) -> HyperbandPlan:
    """One bracket of one round, `max_trials` full trainings."""
    once = HyperbandPlan(epochs, factor=max(2, epochs + 1))
    iterations = math.ceil(max_trials / once.trials)
    return replace(once, iterations=iterations, limit=max_trials)
