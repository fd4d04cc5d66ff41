"""A KerasTuner oracle behind `ask` and `tell`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from truetune.search.base import NoSuggestion, Searcher, SearchProblem
from truetune.search.keras_tuner.hyperband import HyperbandOracle
from truetune.search.keras_tuner.oracle import trial_id
from truetune.search.keras_tuner.project import Project
from truetune.search.values import MAX_ATTEMPTS, first_value
from truetune.space import Hyperparameter, Value
from truetune.trial import Decision, Schedule, Suggestion, Trial

PAUSES = {"IDLE": NoSuggestion.WAIT, "STOPPED": NoSuggestion.EXHAUSTED}


class KerasTunerSearcher(Searcher):
    """Drives one of our oracles; its state is in memory, and `restore` rebuilds it from the trials.

    Args:
        name: as `--tuning-algorithm` spells it.
        problem: what to search. `problem.space` must hold what earlier runs discovered.
        oracle: a KerasTuner oracle with `SearchOracle` mixed in.
        lines: what the search will do, for `plan`.
        project_dir: where to leave a project that plain KerasTuner reloads; None leaves none.
    """

    def __init__(
        self, name: str, problem: SearchProblem, oracle: Any, lines: Sequence[str], project_dir: Path | None = None
    ) -> None:
        self.name = name
        self.oracle = oracle
        self._problem = problem
        self._lines = list(lines)
        self._project = Project(project_dir) if project_dir else None
        self._attempts: dict[int, int] = {}

    def ask(self, number: int, attempt: int = 0) -> Suggestion | NoSuggestion:
        if attempt >= MAX_ATTEMPTS and self.name != "grid":  # a grid ends by itself
            return NoSuggestion.EXHAUSTED
        self._attempts[number] = attempt
        self.oracle.reseed(number, attempt)
        response = self.oracle.populate_space(trial_id(number))
        if response["status"] in PAUSES:
            return PAUSES[response["status"]]
        suggestion = _suggestion(response["values"])
        self.oracle.open(number, dict(suggestion.values), suggestion.schedule)
        return suggestion

    def answer(self, number: int, key: str, hyperparameter: Hyperparameter) -> Value:
        self.oracle.learn(key, hyperparameter)
        attempt = self._attempts.get(number, 0)
        if hyperparameter.kind == "Fixed":
            return hyperparameter.choices[0]
        if number == 0 and attempt == 0:
            return first_value(self._problem, key, hyperparameter)
        self.oracle.reseed(number, attempt)
        value: Value = self.oracle.sample(key)
        return value

    def retract(self, number: int) -> None:
        self.oracle.withdraw(number)

    def accept(self, number: int, values: dict[str, Value]) -> None:
        self.oracle.set_values(number, values)
        self.oracle.start(number)
        self._save(number)

    def report(self, number: int, epoch: int, value: float) -> Decision:
        """KerasTuner's oracles learn from whole trials and prune none."""
        return Decision.GO_ON

    def tell(self, trial: Trial) -> None:
        self.oracle.close(trial)
        self._save(trial.number)

    def may_be_continued(self, number: int) -> bool:
        return isinstance(self.oracle, HyperbandOracle) and self.oracle.may_be_promoted(number)

    def restore(self, trials: Sequence[Trial]) -> None:
        if isinstance(self.oracle, HyperbandOracle):
            self.oracle.continue_from(trials)
        for trial in trials:
            self.oracle.open(trial.number, dict(trial.values), trial.schedule)
            self.oracle.start(trial.number)
            if trial.state.is_finished:
                self.oracle.close(trial)
        if self._project:
            self._project.start(self.oracle, list(self.oracle.trials.values()))

    def plan(self) -> list[str]:
        if isinstance(self.oracle, HyperbandOracle):
            return self.oracle.schedule.lines()
        return list(self._lines)

    def _save(self, number: int) -> None:
        if self._project:
            self._project.save(self.oracle, self.oracle.entries[number].twin)


def _suggestion(values: Mapping[str, Any]) -> Suggestion:
    """KerasTuner hides its schedule among the values, as `tuner/…`."""
    hidden = {key: value for key, value in values.items() if key.startswith("tuner/")}
    proposed = {key: value for key, value in values.items() if key not in hidden}
    if not hidden:
        return Suggestion(proposed)
    parent = hidden.get("tuner/trial_id")
    schedule = Schedule(
        epochs=hidden["tuner/epochs"],
        initial_epoch=hidden["tuner/initial_epoch"],
        parent=None if parent is None else int(parent),
        bracket=hidden["tuner/bracket"],
        round=hidden["tuner/round"],
    )
    return Suggestion(proposed, schedule)
