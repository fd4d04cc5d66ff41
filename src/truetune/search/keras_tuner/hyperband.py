"""KerasTuner's Hyperband oracle on a planned schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras_tuner as kt

from truetune.errors import StudyError
from truetune.search.base import NoSuggestion, SearchProblem
from truetune.search.hyperband.brackets import BracketTrial, may_be_promoted, next_place
from truetune.search.hyperband.plan import COARSE_FACTORS, FACTORS, HyperbandPlan, extend_hyperband, plan_hyperband
from truetune.search.keras_tuner.oracle import Entry, SearchOracle, objective_of, trial_id
from truetune.seeds import derive_seed
from truetune.space import Value
from truetune.trial import Schedule, Trial, TrialState

STATUS = {NoSuggestion.WAIT: "IDLE", NoSuggestion.EXHAUSTED: "STOPPED"}


class HyperbandOracle(SearchOracle, kt.oracles.HyperbandOracle):  # type: ignore[misc]
    """Sizes and epochs are KerasTuner's; where a trial stands is computed from the trials there are.

    KerasTuner's rounds fill with completed trials only, so one failed trial makes it wait for ever or end early.
    """

    def __init__(self, problem: SearchProblem, plan: HyperbandPlan | None = None) -> None:
        self.schedule = extend_hyperband(plan, problem.max_trials) if plan else self._fresh(problem)
        self._plan_was_given = plan is not None
        super().__init__(
            objective=objective_of(problem),
            max_epochs=self.schedule.max_epochs,
            factor=self.schedule.factor,
            hyperband_iterations=self.schedule.iterations,
            seed=derive_seed(problem.seed, "hyperband"),
        )
        self.attach(problem)

    @staticmethod
    def _fresh(problem: SearchProblem) -> HyperbandPlan:
        return plan_hyperband(problem.max_trials, problem.epochs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """KerasTuner's answer, `tuner/…` values among it."""
        bracket_trials = [self._bracket_trials(entry) for _, entry in sorted(self.entries.items())]
        place = next_place(self.schedule, bracket_trials)
        values: dict[str, Value] | None = None
        if isinstance(place, Schedule) and place.parent is None:
            values = self._random_values()
            if values is None:
                place = next_place(self.schedule, bracket_trials, exhausted=True)
        if isinstance(place, NoSuggestion):
            return {"status": STATUS[place], "values": None}
        if place.parent is not None:
            values = dict(self.entries[place.parent].values)
        return {"status": "RUNNING", "values": {**(values or {}), **_tuner_values(place)}}

    def may_be_promoted(self, number: int) -> bool:
        """Whether the checkpoint of a trial that has ended is still needed."""
        return may_be_promoted(self.schedule, [self._bracket_trials(entry) for entry in self.entries.values()], number)

    def _bracket_trials(self, entry: Entry) -> BracketTrial:
        sign = 1.0 if self.problem.direction == "max" else -1.0
        score = None if entry.score is None else sign * entry.score
        return BracketTrial(entry.number, entry.schedule, score, entry.state is TrialState.RUNNING)

    def continue_from(self, trials: Sequence[Trial]) -> None:
        """Keep the schedule of the run that left `trials`.

        Raises:
            StudyError: their epochs fit no schedule of this task.
        """
        if all(_fits(self.schedule, trial.schedule) for trial in trials):
            return
        factors = () if self._plan_was_given else (*FACTORS, *COARSE_FACTORS, max(2, self.problem.epochs + 1))
        for factor in factors:
            plan = HyperbandPlan(self.problem.epochs, factor)
            if all(_fits(replace(plan, iterations=10**6), trial.schedule) for trial in trials):
                self._adopt(extend_hyperband(plan, self.problem.max_trials))
                return
        raise StudyError(
            f"The recorded Hyperband trials do not follow a schedule of {self.problem.epochs} epochs. Continue with "
            "the epochs of the earlier run, or start over with --fresh or another --study-name."
        )

    def _adopt(self, plan: HyperbandPlan) -> None:
        self.schedule = plan
        self.factor, self.hyperband_iterations = plan.factor, plan.iterations

    def get_state(self) -> dict[str, Any]:
        """With the brackets as KerasTuner keeps them, so that plain KerasTuner reloads the search."""
        serials = {entry.schedule.bracket or 0 for entry in self.entries.values()}
        self._brackets = [self._bracket(serial) for serial in sorted(serials)]
        iteration, position = divmod(max(serials, default=0), self.schedule.brackets)
        self._current_iteration = iteration
        self._current_bracket = self.schedule.brackets - 1 - position
        state: dict[str, Any] = super().get_state()
        return state

    def _bracket(self, serial: int) -> dict[str, Any]:
        rounds: list[list[dict[str, Any]]] = [[] for _ in self.schedule.rounds(serial)]
        for number, entry in sorted(self.entries.items()):
            if entry.schedule.bracket == serial:
                parent = entry.schedule.parent
                past = None if parent is None else trial_id(parent)
                rounds[entry.schedule.round or 0].append({"past_id": past, "id": trial_id(number)})
        return {"bracket_num": len(rounds) - 1, "rounds": rounds}


def _fits(plan: HyperbandPlan, schedule: Schedule) -> bool:
    if schedule.bracket is None or schedule.round is None or schedule.bracket >= plan.serials:
        return False
    rounds = plan.rounds(schedule.bracket)
    return schedule.round < len(rounds) and rounds[schedule.round].epochs == schedule.epochs


def _tuner_values(place: Schedule) -> dict[str, Any]:
    values: dict[str, Any] = {
        "tuner/epochs": place.epochs,
        "tuner/initial_epoch": place.initial_epoch,
        "tuner/bracket": place.bracket,
        "tuner/round": place.round,
    }
    return values if place.parent is None else {**values, "tuner/trial_id": trial_id(place.parent)}
