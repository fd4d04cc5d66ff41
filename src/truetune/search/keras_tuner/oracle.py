"""What our four oracles share: the space, the seeds and the values that are taken.

KerasTuner's `create_trial`, `update_trial` and `end_trial` are not used. They write files in place, print, draw
missing values from an unseeded generator and raise after three failures; `populate_space`, the search itself, is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
from keras_tuner.src.engine.trial import Trial as OracleTrial

from truetune.search.base import SearchProblem
from truetune.search.infeasible import is_at_least_as_large, is_infeasible
from truetune.search.keras_tuner.dimension import Dimension
from truetune.search.values import final_score, first_values, repeats
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Space, Value
from truetune.trial import Schedule, Trial, TrialState

COLLISIONS = 200
"""Random draws, all of them taken, after which a space counts as used up. KerasTuner gives up after 20."""


@dataclass
class Entry:
    """One trial, or one proposal: its values by key, and KerasTuner's own object."""

    number: int
    values: dict[str, Value]
    proposal: dict[str, Value]
    schedule: Schedule
    twin: OracleTrial
    score: float | None = None
    state: TrialState = TrialState.RUNNING
    infeasible: bool = False


def objective_of(problem: SearchProblem) -> kt.Objective:
    """The direction is always passed: KerasTuner's inference is wrong for several metrics."""
    return kt.Objective(problem.objective, problem.direction)


def trial_id(number: int) -> str:
    return f"{number:04d}"


class SearchOracle:
    """Mixed into KerasTuner's oracles. Inside, values are known by key; towards KerasTuner, by name."""

    hyperparameters: Any
    objective: Any
    trials: dict[str, OracleTrial]
    ongoing_trials: dict[str, OracleTrial]
    start_order: list[str]
    end_order: list[str]
    _tried_so_far: set[str]
    _id_to_hash: dict[str, str]
    _display: Any

    def attach(self, problem: SearchProblem) -> None:
        """Take over the space; called once, after the oracle's own `__init__`."""
        self.problem = problem
        self.space = Space()
        self.entries: dict[int, Entry] = {}
        self.retracted: list[dict[str, Value]] = []
        self.dimensions: dict[str, Dimension] = {}
        self._draw = (0, 0)
        self._display.verbose = 0
        for key, hyperparameter in problem.space.entries.items():
            self.learn(key, hyperparameter)

    def learn(self, key: str, hyperparameter: Hyperparameter) -> None:
        """Add a hyperparameter; nothing happens if it is known."""
        if key not in self.space:
            self.space.entries[key] = hyperparameter
            self.dimensions[key] = Dimension(hyperparameter)
            self.hyperparameters.merge([self.dimensions[key].twin])

    def reseed(self, number: int, attempt: int) -> None:
        """Everything drawn from now on depends on the study's seed, `number` and `attempt` alone.

        KerasTuner replaces the seed 0 by a random one, and its neighbouring seeds share most of their draws.
        """
        self._draw = (number, attempt)

    def seed_for(self, *path: int | str) -> int:
        return derive_seed(self.problem.seed, "oracle", *self._draw, *path)

    def sample(self, key: str, collision: int = 0) -> Value:
        """A random value of one hyperparameter, whichever others are drawn before or after."""
        return self.dimensions[key].draw(self.seed_for("sample", key, collision))

    def is_first(self) -> bool:
        """Whether the proposal is trial 0's first, which is today's configuration."""
        return self._draw == (0, 0)

    def _random_values(self) -> dict[str, Value] | None:
        """KerasTuner's hook for random values; None when the space is used up."""
        if self.is_first():
            return first_values(self.problem, self.space)
        for collision in range(COLLISIONS):
            values = self._sample_all(collision)
            if not self._duplicate(values):
                return values
        return None

    def _sample_all(self, collision: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for key in self.space:
            if self.space.is_active(key, values):
                values[key] = self.sample(key, collision)
        return values

    def _duplicate(self, values: dict[str, Value]) -> bool:
        return repeats(values, self.taken()) or values in self.retracted or self._is_too_large(values)

    def _is_too_large(self, values: dict[str, Value]) -> bool:
        """Whether a model at least as small has run out of memory."""
        return any(is_at_least_as_large(self.space, values, entry.values) for entry in self.infeasible())

    def taken(self) -> list[dict[str, Value]]:
        """Values not to be proposed again. A running trial may still ask (in `fit`) for the rest of its proposal."""
        return [
            entry.values if entry.state.is_finished else {**entry.proposal, **entry.values}
            for entry in self.entries.values()
        ]

    def completed(self) -> list[Entry]:
        """What search may learn from, by number."""
        return [entry for _, entry in sorted(self.entries.items()) if entry.score is not None]

    def unscored(self) -> list[Entry]:
        """What runs or failed, by number; without what ran out of memory."""
        return [entry for _, entry in sorted(self.entries.items()) if entry.score is None and not entry.infeasible]

    def infeasible(self) -> list[Entry]:
        """What ran out of memory, by number."""
        return [entry for _, entry in sorted(self.entries.items()) if entry.infeasible]

    def open(self, number: int, values: dict[str, Value], schedule: Schedule) -> None:
        """Enter a proposal as a running trial."""
        hyperparameters = self.hyperparameters.copy()
        twin = OracleTrial(hyperparameters, trial_id=trial_id(number), status="RUNNING")
        self.entries[number] = Entry(number, values, values, schedule, twin)
        self.trials[twin.trial_id] = twin
        self.set_values(number, values)

    def start(self, number: int) -> None:
        """From now on the trial is one that KerasTuner's own state names."""
        twin = self.entries[number].twin
        digest = self._compute_values_hash(twin.hyperparameters.values)  # type: ignore[attr-defined]
        self.ongoing_trials[f"trial {number}"] = twin
        self.start_order.append(twin.trial_id)
        self._tried_so_far.add(digest)
        # Within one number only: a restored search does not know what was withdrawn for earlier ones.
        self.retracted.clear()
        self._id_to_hash[twin.trial_id] = digest

    def set_values(self, number: int, values: dict[str, Value]) -> None:
        """What the builder really used. Values of branches that it did not take are dropped here."""
        entry = self.entries[number]
        entry.values = dict(values)
        entry.twin.hyperparameters = self.hyperparameters.copy()
        entry.twin.hyperparameters.values = self.space.names(values)

    def withdraw(self, number: int) -> None:
        """Forget a proposal, but never make it again."""
        entry = self.entries.pop(number)
        self.retracted.append(entry.proposal)
        self.trials.pop(entry.twin.trial_id)

    def close(self, trial: Trial) -> None:
        """Enter how a trial ended. NaN and infinity are failures: KerasTuner would read an infinite score as 0."""
        entry = self.entries[trial.number]
        entry.state, entry.score, entry.infeasible = trial.state, final_score(trial), is_infeasible(trial)
        self.set_values(trial.number, dict(trial.values))
        self.ongoing_trials.pop(f"trial {trial.number}", None)
        self.end_order.append(entry.twin.trial_id)
        entry.twin.score = entry.score
        failed = "INVALID" if entry.infeasible else "FAILED"  # KerasTuner's word for a model that is too large
        entry.twin.status = failed if entry.score is None else "COMPLETED"
        entry.twin.message = trial.reason or None
        if entry.score is not None:
            entry.twin.best_step = trial.best_epoch
            self._log(entry.twin, trial.reports or {trial.best_epoch: entry.score})

    def _log(self, twin: OracleTrial, reports: Mapping[int, float]) -> None:
        twin.metrics.register(self.problem.objective, self.problem.direction)
        for epoch, value in sorted(reports.items()):
            twin.metrics.update(self.problem.objective, value, step=epoch)
