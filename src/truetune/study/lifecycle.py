"""The life of each trial, as the supervisor sees it: proposed, built, accepted, trained, recorded.

`Lifecycle` knows nothing of processes. `loop.py` calls it for trials in worker processes, or in this one.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from truetune.errors import BuildError, RepeatedFailure
from truetune.search.base import Pause, Searcher
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Space, Value
from truetune.study.events import Observer
from truetune.study.feasible import Feasibility, explained
from truetune.study.store import Store
from truetune.training.protocol import Declined, Outcome, Request
from truetune.trial import OUT_OF_MEMORY, Suggestion, Trial, TrialState

MOST_PROPOSALS = 50
"""Proposals in a row that were all trained before; after so many the space counts as used up."""

MOST_REFUSALS = 1000
"""Likewise, of models that are too large counted in. A grid may hold many of them in a row."""

REPEATED, TOO_LARGE = "repeated", "too large"

MOST_ATTEMPTS = 5
"""How often a trial is started anew after the supervisor died while it ran."""

FAILURES_IN_A_ROW = 3


@dataclass
class RunningTrial:
    """One trial on its way.

    Attributes:
        number: 0, 1, ….
        suggestion: what the searcher proposed, or what an interrupted trial had.
        worker: who trains it.
        answers: by key, all that the builder was told.
        trial: what is recorded; None until the model is built.
        earlier: the interrupted trial that is trained anew, if this is one.
        began: on the monotonic clock, for a trial whose worker cannot say how long it took.
        foreseen: by key, what `fit` will be told if it asks as it did in earlier trials.
        refused: why the proposal is not trained, which is still to be retracted; empty while nothing speaks against it.
    """

    number: int
    suggestion: Suggestion
    worker: int
    answers: dict[str, Value] = field(default_factory=dict)
    trial: Trial | None = None
    earlier: Trial | None = None
    began: float = field(default_factory=time.monotonic)
    foreseen: dict[str, Value] = field(default_factory=dict)
    refused: str = ""


class Lifecycle:
    """Proposes trials, answers their builders, records how they went.

    Args:
        searcher: restored already.
        store: where everything is recorded.
        space: as traced; grows when a builder asks for more.
        max_trials: trials in all, those of earlier runs included.
        seed: the study's.
        checkpoints: folder for the checkpoints of trials that may be promoted.
        observer: hears what happens.
        max_parameters: larger models are not trained.
    """

    def __init__(
        self,
        searcher: Searcher,
        store: Store,
        space: Space,
        *,
        max_trials: int,
        seed: int,
        checkpoints: Path,
        observer: Observer,
        max_parameters: int | None = None,
    ) -> None:
        self._searcher, self._store, self._space = searcher, store, space
        self._max_trials, self._seed, self._checkpoints, self._observer = max_trials, seed, checkpoints, observer
        trials = store.trials()
        self._interrupted = deque(t for t in trials if t.state is TrialState.RUNNING)
        self._next_number = len(trials)
        self._known = {_identity(t.values): t.number for t in trials if t.schedule.parent is None}
        self._building: RunningTrial | None = None
        self._exhausted = False
        self._proposals = self._repetitions = 0
        self._asked_in_fit: dict[str, Hyperparameter] = {}
        self._fit_has_run = False
        self._failures: deque[str] = deque(maxlen=FAILURES_IN_A_ROW)
        self._feasibility = Feasibility(space, trials, max_parameters, observer)

    @property
    def has_more(self) -> bool:
        """Whether there are trials left to start."""
        return bool(self._interrupted) or (not self._exhausted and self._next_number < self._max_trials)

    # Proposing

    def next(self, worker: int) -> RunningTrial | None:
        """The trial that `worker` should train now; None when there is none (or none yet)."""
        if self._interrupted:
            return self._again(self._interrupted.popleft(), worker)
        if self._building is not None or self._exhausted or self._next_number >= self._max_trials:
            return None
        return self._propose(worker)

    def _propose(self, worker: int) -> RunningTrial | None:
        """One trial is built at a time, so that numbers are given in the order in which trials are recorded."""
        suggestion = self._searcher.ask(self._next_number, self._proposals)
        if suggestion is Pause.EXHAUSTED:
            self._end_of_space()
        if isinstance(suggestion, Pause):
            return None
        self._building = RunningTrial(self._next_number, suggestion, worker)
        return self._building

    def _again(self, earlier: Trial, worker: int) -> RunningTrial:
        attempt = replace(earlier, attempt=earlier.attempt + 1)
        self._store.restart(attempt)
        return RunningTrial(
            earlier.number, Suggestion(earlier.values, earlier.schedule), worker, dict(earlier.values), earlier=attempt
        )

    def _end_of_space(self) -> None:
        if not self._exhausted:
            self._observer.note(
                f"Nothing is left to try: the space (or the schedule) is used up after {self._next_number} trials."
            )
        self._exhausted = True

    def request(self, running: RunningTrial) -> Request:
        """What the worker is sent."""
        schedule = running.suggestion.schedule
        load_from = None if schedule.parent is None else self._checkpoint(schedule.parent)
        if load_from is not None and not load_from.exists():
            self._observer.note(f"Trial {running.number} starts afresh: the checkpoint {load_from.name} is gone.")
            schedule, load_from = replace(schedule, initial_epoch=0), None
        save_to = None if schedule.bracket is None else self._checkpoint(running.number)
        return Request(running.number, self._trial_seed(running.number), schedule, load_from, save_to)

    def give_up(self, running: RunningTrial) -> bool:
        """Whether an interrupted trial was started so often that it is closed instead of trained again."""
        if running.earlier is None or running.earlier.attempt <= MOST_ATTEMPTS:
            return False
        running.trial = running.earlier
        reason = f"the search died {MOST_ATTEMPTS + 1} times while this trial ran"
        self.ended(running, Outcome(TrialState.FAILED, reason=reason))
        return True

    # While it is built and trained

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
        value = self._propose_value(running, key, hyperparameter)
        running.answers[key] = value
        if running.trial is not None:
            running.trial = replace(running.trial, values=dict(running.answers))
            self._store.add_value(running.number, key, hyperparameter, value)
            self._asked_in_fit[key] = hyperparameter
            self._known.setdefault(_identity(running.answers), running.number)
        elif self._may_refuse(running) and running.number > 0 and self._feasibility.declines(running.answers):
            running.refused = TOO_LARGE
            raise Declined(f"Trial {running.number} is not built to its end: a model as large ran out of memory.")
        return value

    def _may_refuse(self, running: RunningTrial) -> bool:
        """Trials that were begun before, by an earlier run or by the trial they continue, are trained on."""
        return running.earlier is None and running.suggestion.schedule.parent is None

    def _propose_value(self, running: RunningTrial, key: str, hyperparameter: Hyperparameter) -> Value:
        for proposed in (running.foreseen, running.suggestion.values):
            if key in proposed:
                return proposed[key]
        return self._searcher.answer(running.number, key, hyperparameter)

    def built(self, running: RunningTrial, names: Mapping[str, Value], parameters: int, complete: bool = True) -> bool:
        """Accept the built model (True), or refuse values that were trained before (False).

        Where `fit` may ask for more (not `complete`), two models with equal values may still be two trials; what it
        will be told is looked up now, as far as earlier trials of this run show what it asks for.
        """
        if running.earlier is not None:
            running.trial = replace(running.earlier, parameters=parameters, reports={})
            self._observer.trial_started(running.trial, running.worker)
            return True
        used = self._used(running, names)
        running.foreseen = {} if complete else self._foresee(running)
        is_all = complete or self._fit_has_run
        is_fresh = running.suggestion.schedule.parent is None
        if is_all and is_fresh and _identity({**used, **running.foreseen}) in self._known:
            running.refused = REPEATED
            return False
        if is_fresh and self._feasibility.refuses(running.number, used, parameters):
            running.refused = TOO_LARGE
            return False
        self._record_start(running, used, parameters)
        return True

    def _used(self, running: RunningTrial, names: Mapping[str, Value]) -> dict[str, Value]:
        return {key: value for key, value in running.answers.items() if self._space[key].name in names}

    def _foresee(self, running: RunningTrial) -> dict[str, Value]:
        return {
            key: self._propose_value(running, key, hyperparameter)
            for key, hyperparameter in self._asked_in_fit.items()
            if key not in running.answers and self._space.is_active(key, running.answers)
        }

    def _record_start(self, running: RunningTrial, values: dict[str, Value], parameters: int) -> None:
        running.answers = values
        running.trial = Trial(
            running.number,
            TrialState.RUNNING,
            dict(values),
            schedule=running.suggestion.schedule,
            seed=self._trial_seed(running.number),
            parameters=parameters,
        )
        self._searcher.accept(running.number, dict(values))
        self._store.start(running.trial, self._space)
        self._known.setdefault(_identity(values), running.number)
        self._building, self._proposals, self._repetitions = None, 0, 0
        self._next_number += 1
        self._observer.trial_started(running.trial, running.worker)

    def epoch(self, running: RunningTrial, epoch: int, value: float) -> bool:
        """Record the objective after `epoch`; True: stop the trial."""
        assert running.trial is not None
        running.trial = replace(running.trial, reports={**running.trial.reports, epoch: value})
        self._store.report(running.number, epoch, value)
        self._observer.epoch_ended(running.number, epoch, value)
        return self._searcher.report(running.number, epoch, value)

    # Ending

    def ended(self, running: RunningTrial, outcome: Outcome | None) -> None:
        """Record the end of a trial; `outcome` is None for a duplicate, which is proposed anew.

        Raises:
            BuildError: trial 0 could not be built.
            RepeatedFailure: one trial too many failed for the same reason.
        """
        if outcome is None:
            self._repropose(running)
            return
        if outcome.stage == "build" and running.number == 0 and outcome.traceback and outcome.cause != OUT_OF_MEMORY:
            raise BuildError(f"The builder raised {outcome.reason}", outcome.traceback)
        if running.trial is None and running.earlier is not None:
            running.trial = running.earlier
        elif running.trial is None:
            self._record_start(running, dict(running.answers), parameters=0)
        assert running.trial is not None
        outcome = explained(outcome, running.trial, self._space.names(running.trial.values))
        trial = replace(
            running.trial,
            state=outcome.state,
            score=outcome.score,
            epochs=outcome.epochs,
            best_epoch=outcome.best_epoch,
            seconds=outcome.seconds,
            reason=outcome.reason,
            cause=outcome.cause,
        )
        self._feasibility.learn(trial)
        self._fit_has_run = self._fit_has_run or outcome.state is TrialState.COMPLETE
        self._store.finish(trial, self._space, outcome.history)
        self._searcher.tell(trial)
        self._discard_checkpoints(trial)
        self._observer.trial_ended(trial, running.worker)
        self._watch_failures(trial)

    def _repropose(self, running: RunningTrial) -> None:
        if running.refused:
            self._searcher.retract(running.number)
        self._building = None
        self._proposals += 1
        self._repetitions += running.refused == REPEATED
        if self._repetitions >= MOST_PROPOSALS or self._proposals >= MOST_REFUSALS:
            self._end_of_space()

    def _discard_checkpoints(self, trial: Trial) -> None:
        """A parent's checkpoint has served once its promotion has ended, a failed trial's never will."""
        if trial.schedule.parent is not None:
            self._checkpoint(trial.schedule.parent).unlink(missing_ok=True)
        if trial.state is TrialState.FAILED:
            self._checkpoint(trial.number).unlink(missing_ok=True)

    def _watch_failures(self, trial: Trial) -> None:
        if trial.cause == OUT_OF_MEMORY:
            return  # the search moves away from it by itself
        if trial.state is not TrialState.FAILED:
            self._failures.clear()
            return
        self._failures.append(re.sub(r"\d+", "#", trial.reason))
        if len(self._failures) == FAILURES_IN_A_ROW and len(set(self._failures)) == 1:
            raise RepeatedFailure(
                f"{FAILURES_IN_A_ROW} trials in a row failed for the same reason: {trial.reason}. The search stopped; "
                "mend it and run the same command again to go on."
            )

    def _checkpoint(self, number: int) -> Path:
        return self._checkpoints / f"trial_{number:05d}.npz"

    def _trial_seed(self, number: int) -> int:
        """A promoted trial goes on with fresh shuffling; its weights come from the checkpoint."""
        return derive_seed(self._seed, "trial", number)


def _identity(values: Mapping[str, Value]) -> frozenset[tuple[str, Value]]:
    return frozenset(values.items())
