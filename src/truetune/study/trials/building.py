"""While a model is built: the values that its builder receives, and whether the built model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Value
from truetune.study.trials.parts import LifecycleParts
from truetune.study.trials.proposing import REPEATED, TOO_LARGE
from truetune.study.trials.running import RunningTrial
from truetune.training.messages import Declined, Outcome
from truetune.trial import Trial, TrialState


class Building:
    """Answers builders and `fit`, and accepts what was built or refuses it.

    Args:
        parts: what it works with.
        seed: the study's.
    """

    def __init__(self, parts: LifecycleParts, seed: int) -> None:
        self._parts, self._seed = parts, seed
        self._searcher, self._known = parts.searcher, parts.known
        self._store, self._space = parts.context.store, parts.context.space
        self._asked_in_fit: dict[str, Hyperparameter] = {}
        self._fit_has_run = False

    # What is asked

    def known(self, running: RunningTrial, hyperparameter: Hyperparameter) -> Value:
        """The value given to its builder. Raises Declined for one it did not request."""
        key = self._space.copy().add(hyperparameter)
        if key not in running.answers:
            raise Declined(f"The builder of trial {running.number} requested '{key}', which it did not request before.")
        return running.answers[key]

    def answer(self, running: RunningTrial, hyperparameter: Hyperparameter) -> Value:
        """The value the builder gets.

        Raises:
            SpaceError: the hyperparameter is declared wrongly.
            Declined: what was answered so far is at least as large as a model that could not be built.
        """
        known = len(self._space)
        key = self._space.add(hyperparameter)
        if len(self._space) > known:
            self._store.discover(key, hyperparameter)
        if key in running.answers:
            return running.answers[key]
        value = self._propose(running, key, hyperparameter)
        running.answers[key] = value
        if running.trial is not None:
            running.trial = replace(running.trial, values=dict(running.answers))
            running.writes(lambda: self._store.add_value(running.number, key, hyperparameter, value))
            self._asked_in_fit[key] = hyperparameter
            self._known.remember(running.answers)
        elif running.may_be_refused and running.number > 0 and self._known.sizes.declines(running.answers):
            running.refused = TOO_LARGE
            raise Declined(f"Skipped trial {running.number}: a model no larger than it ran out of memory.")
        return value

    def _propose(self, running: RunningTrial, key: str, hyperparameter: Hyperparameter) -> Value:
        for proposed in (running.foreseen, running.suggestion.values):
            if key in proposed:
                return proposed[key]
        return self._searcher.answer(running.number, key, hyperparameter)

    # What was built

    def built(self, running: RunningTrial, names: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        """Accept the built model (True), or refuse values that were trained before (False).

        Where `fit` may ask for more (not `complete`), two models with equal values may still be two trials; what it
        will receive is looked up now, as far as earlier trials of this run show what it requests.
        """
        if running.earlier is not None:
            running.trial = replace(running.earlier, parameters=parameters, reports={})
            self._parts.context.observer.trial_started(running.trial, running.worker)
            return True
        used = {key: value for key, value in running.answers.items() if self._space[key].name in names}
        running.foreseen = {} if complete else self._foresee(running)
        running.refused = self._objection(running, used, parameters, complete)
        if running.refused:
            return False
        self.record_start(running, used, parameters)
        return not running.lost

    def _foresee(self, running: RunningTrial) -> dict[str, Value]:
        return {
            key: self._propose(running, key, hyperparameter)
            for key, hyperparameter in self._asked_in_fit.items()
            if key not in running.answers and self._space.is_active(key, running.answers)
        }

    def _objection(self, running: RunningTrial, used: dict[str, Value], parameters: int, complete: bool) -> str:
        """Why it is not trained; empty if it is. A promotion has its parent's values."""
        if running.suggestion.schedule.parent is not None:
            return ""
        if (complete or self._fit_has_run) and self._known.holds({**used, **running.foreseen}):
            return REPEATED
        return TOO_LARGE if self._known.sizes.refuses(running.number, used, parameters) else ""

    def record_start(self, running: RunningTrial, values: dict[str, Value], parameters: int) -> None:
        """Record what is trained from now on; `parameters` is 0 for a model that was not built to its end."""
        running.answers = values
        trial = Trial(
            running.number,
            TrialState.RUNNING,
            dict(values),
            schedule=running.suggestion.schedule,
            seed=trial_seed(self._seed, running.number),
            parameters=parameters,
            attempt=running.attempt,
        )
        self._parts.proposer.accepted()
        if not running.writes(lambda: self._store.start(trial, self._space)):
            self._searcher.retract(running.number)
            return
        running.trial = trial
        self._searcher.accept(running.number, dict(values))
        self._parts.takeover.note_own(trial)
        self._known.remember(values)
        self._parts.context.observer.trial_started(trial, running.worker)

    def note_end(self, outcome: Outcome) -> None:
        """Once a training was completed, it is known what `fit` asks for."""
        self._fit_has_run = self._fit_has_run or outcome.state is TrialState.COMPLETE


def trial_seed(seed: int, number: int) -> int:
    """A promoted trial goes on with fresh shuffling; its weights come from the checkpoint."""
    return derive_seed(seed, "trial", number)
