"""Optuna's TPE behind `ask` and `tell`, on a study of its own in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState as OptunaState

from truetune.search.base import NoSuggestion, Searcher, SearchProblem
from truetune.search.infeasible import is_infeasible
from truetune.search.optuna.distributions import Encoding, encoding
from truetune.search.optuna.pruners import NUMBER, make_pruner, remembers
from truetune.search.optuna.sampler import EndedTrials, RememberingTPESampler
from truetune.search.values import MAX_ATTEMPTS, final_score, first_value, first_values, random_start
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Value
from truetune.trial import Decision, Suggestion, Trial, TrialState

RANDOM_FROM_ATTEMPT = 5
"""TPE keeps proposing what it believes in; after that many repetitions for one number it draws at random."""


class TPESearcher(Searcher):
    """Multivariate, grouped TPE with the constant liar (Bergstra et al., NeurIPS 2011), reseeded for each trial.

    Every trial has its own sampler, seeded from (study seed, trial number, attempt), so that parallel trials do not
    disturb each other's draws and a resumed search goes on as the uninterrupted one.

    Args:
        problem: what to search. `problem.space` must hold what earlier runs discovered.
        pruner: a name in `optuna_pruners.PRUNERS`.
    """

    name = "tpe"
    shares_study = True

    def __init__(self, problem: SearchProblem, pruner: str = "median") -> None:
        self._problem = problem
        self._pruner_name = pruner
        self._space = problem.space.copy()
        self._storage = optuna.storages.InMemoryStorage()
        self._study = self._new_study()
        self._ended = EndedTrials()
        self._numbers: dict[int, int] = {}
        self._building: dict[int, optuna.Trial] = {}
        self._samplers: dict[int, optuna.samplers.BaseSampler] = {}
        self._withdrawn: list[int] = []

    def _new_study(self) -> optuna.Study:
        level = optuna.logging.get_verbosity()
        # The user's study is announced where it is opened; this one is nobody's business.
        optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
        try:
            return optuna.create_study(
                storage=self._storage,
                study_name="search",
                direction="maximize" if self._problem.direction == "max" else "minimize",
                pruner=make_pruner(self._pruner_name, self._problem.epochs, self._problem.steps_per_fold),
            )
        finally:
            optuna.logging.set_verbosity(level)

    def ask(self, number: int, attempt: int = 0) -> Suggestion | NoSuggestion:
        if attempt >= MAX_ATTEMPTS:
            return NoSuggestion.EXHAUSTED
        self._samplers[number] = self._study.sampler = self._sampler(number, attempt)
        self._study.enqueue_trial({}, user_attrs={NUMBER: number})
        trial = self._study.ask()
        self._numbers[number] = trial.number
        self._building[number] = trial
        return Suggestion(first_values(self._problem, self._space) if _is_first(number, attempt) else {})

    def answer(self, number: int, key: str, hyperparameter: Hyperparameter) -> Value:
        """Also after `accept`: a HyperModel may ask in `fit` for what it did not ask for in `build`."""
        self._space.entries.setdefault(key, hyperparameter)
        if hyperparameter.kind == "Fixed":
            return hyperparameter.choices[0]
        if number == 0 and self._is_first_proposal():
            value = first_value(self._problem, key, hyperparameter)
            self._enter(number, {key: value})
            return value
        code = encoding(hyperparameter)
        if number not in self._building:
            return self._answer_again(number, key, code)
        self._study.sampler = self._samplers[number]
        return code.decode(_suggest(self._building[number], key, code.distribution))

    def _answer_again(self, number: int, key: str, code: Encoding) -> Value:
        """For a trial of an earlier run, which has no sampler any more."""
        sampler = optuna.samplers.RandomSampler(seed=derive_seed(self._problem.seed, "tpe", number, key))
        drawn = sampler.sample_independent(self._study, self._frozen(number), key, code.distribution)
        value = code.decode(drawn)
        self._enter(number, {key: value})
        return value

    def retract(self, number: int) -> None:
        """The proposal stays open until one is accepted: the constant liar keeps the next ones away from it."""
        self._withdrawn.append(self._numbers.pop(number))
        self._forget(number)

    def accept(self, number: int, values: dict[str, Value]) -> None:
        self._enter(number, values)
        for withdrawn in self._withdrawn:
            self._study.tell(withdrawn, state=OptunaState.FAIL)
        self._withdrawn.clear()

    def _enter(self, number: int, values: Mapping[str, Value]) -> None:
        """Note values that the sampler did not draw itself."""
        trial = self._frozen(number)
        for key, value in self._encoded(values).items():
            if key not in trial.params:
                distribution = encoding(self._space[key]).distribution
                internal = distribution.to_internal_repr(value)
                self._storage.set_trial_param(trial._trial_id, key, internal, distribution)

    def _forget(self, number: int) -> None:
        self._building.pop(number, None)
        self._samplers.pop(number, None)

    def report(self, number: int, epoch: int, value: float) -> Decision:
        if not math.isfinite(value):
            return Decision.GO_ON
        self._storage.set_trial_intermediate_value(self._frozen(number)._trial_id, epoch, value)
        prune = self._study.pruner.prune(self._study, self._frozen(number))
        return Decision.STOP if prune else Decision.GO_ON

    def tell(self, trial: Trial) -> None:
        if not trial.state.is_finished:
            return  # paused: its reports are known, and it counts as running
        self._forget(trial.number)
        score = final_score(trial)
        if is_infeasible(trial):
            self._tell_infeasible(trial.number)
        elif score is None:
            self._study.tell(self._numbers[trial.number], state=OptunaState.FAIL)
        elif trial.state is TrialState.PRUNED:
            self._study.tell(self._numbers[trial.number], state=OptunaState.PRUNED)
        else:
            self._study.tell(self._numbers[trial.number], score)

    def _tell_infeasible(self, number: int) -> None:
        """A trial that ran out of memory violates a constraint, so that TPE moves away from it.

        The sampler leaves failed trials out; it sorts pruned ones with a violated constraint among the bad ones,
        behind all others. The attribute is the one that `optuna.trial.Trial.set_constraint` writes.
        """
        self._storage.set_trial_system_attr(self._frozen(number)._trial_id, "constraints:memory", 1.0)
        self._study.tell(self._numbers[number], state=OptunaState.PRUNED)

    def restore(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self.observe(trial)

    def observe(self, trial: Trial) -> None:
        if trial.number not in self._numbers:
            self._numbers[trial.number] = len(self._study.get_trials(deepcopy=False))
            self._study.add_trial(self._running(trial))
        if trial.state.is_finished:
            self._replay(trial)
            self.tell(trial)

    def plan(self) -> list[str]:
        start = random_start(self._problem.max_trials)
        return [
            f"TPE, {self._problem.max_trials} trials of up to {self._problem.epochs} epochs: "
            f"trial 0 is today's configuration, trials up to {start} are random.",
            f"Pruner: {self._pruner_name}.",
        ]

    def _sampler(self, number: int, attempt: int) -> optuna.samplers.BaseSampler:
        seed = derive_seed(self._problem.seed, "tpe", number, attempt)
        if attempt >= RANDOM_FROM_ATTEMPT:
            return optuna.samplers.RandomSampler(seed=seed)
        return RememberingTPESampler(self._ended, random_start(self._problem.max_trials), seed)

    def _is_first_proposal(self) -> bool:
        """Whether trial 0 is at its first attempt: nothing has been retracted under its number."""
        return self._numbers.get(0) == 0

    def _frozen(self, number: int) -> optuna.trial.FrozenTrial:
        study_id = self._study._study_id
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, self._numbers[number])
        return self._storage.get_trial(trial_id)

    def _encoded(self, values: Mapping[str, Value]) -> dict[str, Value]:
        known = {key: self._space[key] for key in values if key in self._space}
        return {
            key: encoding(hyperparameter).encode(values[key])
            for key, hyperparameter in known.items()
            if hyperparameter.kind != "Fixed" and hyperparameter.contains(values[key])
        }

    def _running(self, trial: Trial) -> optuna.trial.FrozenTrial:
        """As it stood when it was accepted. One that never finished reports again, from its checkpoint or its start."""
        params = self._encoded(trial.values)
        return optuna.trial.create_trial(
            state=OptunaState.RUNNING,
            params=params,
            distributions={key: encoding(self._space[key]).distribution for key in params},
            user_attrs={NUMBER: trial.number},
        )

    def _replay(self, trial: Trial) -> None:
        pruner = self._study.pruner
        for epoch, value in sorted(trial.reports.items()):
            if not math.isfinite(value):
                continue
            self._storage.set_trial_intermediate_value(self._frozen(trial.number)._trial_id, epoch, value)
            if remembers(pruner):
                pruner.prune(self._study, self._frozen(trial.number))


def _suggest(trial: optuna.Trial, key: str, distribution: BaseDistribution) -> Value:
    value: Value
    if isinstance(distribution, IntDistribution):
        value = trial.suggest_int(
            key, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    elif isinstance(distribution, FloatDistribution):
        value = trial.suggest_float(key, distribution.low, distribution.high, log=distribution.log)
    else:
        assert isinstance(distribution, CategoricalDistribution)
        value = trial.suggest_categorical(key, distribution.choices)  # type: ignore[assignment]
    return value


def _is_first(number: int, attempt: int) -> bool:
    return number == 0 and attempt == 0
