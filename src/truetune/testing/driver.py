"""A search without Keras: a builder, an objective, and the loop's calls to a searcher."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from truetune.errors import TruetuneError
from truetune.search.base import NoSuggestion, Resume, Searcher
from truetune.search.values import MAX_ATTEMPTS
from truetune.space import Condition, Hyperparameter, Sampling, Space, Value
from truetune.trial import ERROR, OUT_OF_MEMORY, Decision, Suggestion, Trial, TrialState

Answer = Callable[[Hyperparameter], Value]


class LightHyperparameters:
    """An `hp` that only answers: what builders use of KerasTuner's, without importing it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._conditions: list[Condition] = []
        self.values: dict[str, Value] = {}

    def Int(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: Sampling = "linear",
        default: int | None = None,
    ) -> Any:
        step = 1 if step is None and sampling == "linear" else step
        default = min_value if default is None else default
        return self._ask(
            Hyperparameter("Int", name, default, low=min_value, high=max_value, step=step, sampling=sampling)
        )

    def Float(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: Sampling = "linear",
        default: float | None = None,
    ) -> Any:
        default = float(min_value if default is None else default)
        return self._ask(
            Hyperparameter("Float", name, default, low=min_value, high=max_value, step=step, sampling=sampling)
        )

    def Choice(self, name: str, values: Sequence[Value], default: Value | None = None) -> Any:
        default = values[0] if default is None else default
        return self._ask(Hyperparameter("Choice", name, default, choices=tuple(values)))

    def Boolean(self, name: str, default: bool = False) -> Any:
        return self._ask(Hyperparameter("Boolean", name, default))

    def Fixed(self, name: str, value: Value) -> Any:
        return self._ask(Hyperparameter("Fixed", name, value, choices=(value,)))

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Sequence[Value]) -> Iterator[None]:
        self._conditions.append(Condition(parent_name, tuple(parent_values)))
        try:
            yield
        finally:
            self._conditions.pop()

    def _ask(self, hyperparameter: Hyperparameter) -> Value | None:
        conditional = replace(hyperparameter, conditions=tuple(self._conditions))
        active = all(condition.holds(self.values) for condition in self._conditions)
        value = self._answer(conditional) if active else None
        if value is not None:
            self.values[conditional.name] = value
        else:
            self._declare(conditional)
        return value

    def _declare(self, hyperparameter: Hyperparameter) -> None:
        """Inactive hyperparameters are declared too; `trace` listens."""


Build = Callable[[Any], object]
Objective = Callable[[Mapping[str, Value], int], float]
"""Values by name and the number of epochs → the objective; it raises `TrialFailure` for a trial that crashes."""


class TrialFailure(TruetuneError):
    """Raised by an objective: this trial crashes."""


class OutOfMemory(TrialFailure):
    """Raised by an objective: this trial runs out of memory."""


class _Tracing(LightHyperparameters):
    def __init__(self, space: Space) -> None:
        super().__init__(self._default)
        self._space = space

    def _default(self, hyperparameter: Hyperparameter) -> Value:
        self._space.add(hyperparameter)
        return hyperparameter.default

    def _declare(self, hyperparameter: Hyperparameter) -> None:
        self._space.add(hyperparameter)


def trace(build: Build) -> Space:
    """The space that `build` shows with every hyperparameter at its default."""
    space = Space()
    build(_Tracing(space))
    return space


@dataclass
class Simulation:
    """The loop's calls to a searcher, with an objective in place of training. Trials are not paused: `PAUSE` goes on.

    Attributes:
        space: grows when the builder asks for something new; a searcher that goes on needs all of it.
        trials: by number.
        retractions: proposals that repeated an earlier trial.
    """

    searcher: Searcher
    build: Build
    objective: Objective
    space: Space
    epochs: int = 3
    trials: dict[int, Trial] = field(default_factory=dict)
    suggestions: dict[int, Suggestion] = field(default_factory=dict)
    retractions: int = 0

    @classmethod
    def resumed(cls, searcher: Searcher, earlier: Simulation) -> Simulation:
        """Hand the trials of `earlier` to a new searcher, as the record would."""
        trials = [earlier.trials[number] for number in sorted(earlier.trials)]
        searcher.restore(trials)
        return cls(
            searcher, earlier.build, earlier.objective, earlier.space.copy(), earlier.epochs, dict(earlier.trials)
        )

    def run(self, n: int, parallel: int = 1) -> list[Trial]:
        """Go on until there are `n` trials, or nothing more is proposed, with `parallel` trials at once."""
        running = deque(number for number, trial in self.trials.items() if not trial.state.is_finished)
        pause: NoSuggestion | None = None
        while True:
            while len(running) < parallel and len(self.trials) < n:
                pause = self.start(len(self.trials))
                if pause is not None:
                    break
                running.append(len(self.trials) - 1)
            if not running:
                assert pause is not NoSuggestion.WAIT, "The searcher waits for a running trial, and none is running."
                return [self.trials[number] for number in sorted(self.trials)]
            self.finish(running.popleft())

    def start(self, number: int) -> NoSuggestion | None:
        """Propose and build trial `number`; None when it was accepted."""
        for attempt in range(MAX_ATTEMPTS + 1):
            suggestion = self.searcher.ask(number, attempt)
            if isinstance(suggestion, NoSuggestion):
                return suggestion
            assert not isinstance(suggestion, Resume), f"{suggestion} was returned, and no trial is paused."
            values = self._answers(number, suggestion)
            if suggestion.schedule.parent is None and self._is_known(values):
                self.searcher.retract(number)
                self.retractions += 1
                continue
            self.searcher.accept(number, dict(values))
            self.suggestions[number] = suggestion
            self.trials[number] = Trial(number, TrialState.RUNNING, values, schedule=suggestion.schedule)
            return None
        raise AssertionError(f"The searcher made {MAX_ATTEMPTS} repeated proposals without returning EXHAUSTED.")

    def finish(self, number: int) -> Trial:
        """Train trial `number` to its end and call `tell`."""
        trial = self._trained(self.trials[number])
        self.trials[number] = trial
        self.searcher.tell(trial)
        return trial

    def _answers(self, number: int, suggestion: Suggestion) -> dict[str, Value]:
        answers: dict[str, Value] = {}

        def answer(hyperparameter: Hyperparameter) -> Value:
            key = self.space.add(hyperparameter)
            if key not in answers:
                proposed = suggestion.values.get(key)
                value = self.searcher.answer(number, key, hyperparameter) if proposed is None else proposed
                assert hyperparameter.contains(value), f"{value!r} was proposed for {hyperparameter}."
                answers[key] = value
            return answers[key]

        self.build(LightHyperparameters(answer))
        return answers

    def _is_known(self, values: Mapping[str, Value]) -> bool:
        return any(dict(trial.values) == dict(values) for trial in self.trials.values())

    def _trained(self, trial: Trial) -> Trial:
        last = self.epochs if trial.schedule.epochs is None else trial.schedule.epochs
        names = self.space.names(trial.values)
        reports: dict[int, float] = {}
        for epoch in range(trial.schedule.initial_epoch + 1, last + 1):
            try:
                reports[epoch] = self.objective(names, epoch)
            except TrialFailure as failure:
                cause = OUT_OF_MEMORY if isinstance(failure, OutOfMemory) else ERROR
                return replace(trial, state=TrialState.FAILED, reports=reports, reason=str(failure), cause=cause)
            if self.searcher.report(trial.number, epoch, reports[epoch]) is Decision.STOP:
                return self._ended(trial, TrialState.PRUNED, reports)
        return self._ended(trial, TrialState.COMPLETE, reports)

    def _ended(self, trial: Trial, state: TrialState, reports: dict[int, float]) -> Trial:
        last = max(reports)
        return replace(trial, state=state, reports=reports, score=reports[last], epochs=last, best_epoch=last)


def drive(
    searcher: Searcher,
    build: Build,
    objective: Objective,
    n: int,
    *,
    space: Space | None = None,
    epochs: int = 3,
    parallel: int = 1,
) -> list[Trial]:
    """Run a search of `n` trials and return them by number."""
    simulation = Simulation(searcher, build, objective, trace(build) if space is None else space.copy(), epochs)
    return simulation.run(n, parallel)
