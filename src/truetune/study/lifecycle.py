"""The life of each trial, as the supervisor sees it: proposed, claimed, built, accepted, trained, recorded.

`Lifecycle` knows nothing of worker processes; `loop.py` calls it for trials in them, or in this one. Other supervisors
may work on the same study: their trials are learned from the record, and those of dead ones are taken over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from truetune.errors import BuildError, StudyError
from truetune.search.base import Pause, Resume, Searcher
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Space, Value
from truetune.study.budget import Budget, Limits
from truetune.study.checkpoints import Checkpoints
from truetune.study.events import Observer
from truetune.study.failures import FailureWatch
from truetune.study.others import OtherProcesses
from truetune.study.owner import Leases
from truetune.study.running import RunningTrial
from truetune.study.store import LostTrial, Store
from truetune.task import Objective
from truetune.training.protocol import Outcome, Request
from truetune.trial import Decision, Suggestion, Trial, TrialState

MOST_PROPOSALS = 50
"""Proposals in a row that were all trained before; after so many the space counts as used up."""


class Lifecycle:
    """Proposes trials, answers their builders, records how they went.

    Args:
        searcher: restored already, from `trials`.
        store: where everything is recorded.
        space: as traced; grows when a builder asks for more.
        trials: what the record held when the searcher was restored.
        limits: when to stop.
        objective: what an improvement is.
        seed: the study's.
        checkpoints: folder for the checkpoints of trials.
        observer: hears what happens.
        leases: judges other processes; None where there can be none.
    """

    def __init__(
        self,
        searcher: Searcher,
        store: Store,
        space: Space,
        trials: Sequence[Trial],
        *,
        limits: Limits,
        objective: Objective,
        seed: int,
        checkpoints: Path,
        observer: Observer,
        leases: Leases | None = None,
    ) -> None:
        self._searcher, self._store, self._space, self._limits = searcher, store, space, limits
        self._seed, self._checkpoints, self._observer = seed, Checkpoints(checkpoints), observer
        self._budget = Budget(limits, objective, trials)
        self._known = {_identity(t.values): t.number for t in trials if t.is_built and t.schedule.parent is None}
        self._others = OtherProcesses(store, leases, trials)
        self._failures = FailureWatch()
        self._interrupted: deque[Trial] = deque()
        self._paused = {t.number: t for t in trials if t.state is TrialState.PAUSED}
        self._building: RunningTrial | None = None
        self._claimed: Trial | None = None
        self._proposals = 0
        self._exhausted = False
        self._has_said_why = False
        self._asked_in_fit: dict[str, Hyperparameter] = {}
        self._fit_has_run = False
        self._look_around()

    @property
    def has_more(self) -> bool:
        """Whether there are trials left to start here."""
        return bool(self._interrupted) or self._claimed is not None or self._may_start()

    @property
    def waits_for_others(self) -> bool:
        """Whether another process still trains: if it dies, its trials are ours to do."""
        return bool(self._others.running) and not self._budget.is_over

    @property
    def is_over(self) -> bool:
        """Whether the time is up also for what runs."""
        return self._budget.is_over

    @property
    def limits(self) -> Limits:
        return self._limits

    def _may_start(self) -> bool:
        """A searcher with paused trials may go on with them when no number is left."""
        if self._exhausted or not (self._has_number or self._paused):
            return False
        why_not = self._budget.why_not()
        if why_not:
            self._say_why(why_not)
        return not why_not

    @property
    def _has_number(self) -> bool:
        return self._store.next_number < self._limits.max_trials

    def _say_why(self, why_not: str) -> None:
        if not self._has_said_why:
            self._observer.note(f"{why_not} No further trial starts; the same command goes on another time.")
        self._has_said_why = True

    # Other processes

    def _look_around(self) -> None:
        """Learn what others did, and take over what dead ones left."""
        if self._others.is_due:
            for trial in self._others.news():
                self._learn(trial)
            self._interrupted.extend(self._others.take_over())

    def _learn(self, trial: Trial) -> None:
        self._known.setdefault(_identity(trial.values), trial.number)
        self._searcher.observe(trial)
        if trial.state.is_finished:
            self._budget.count(trial)
            self._observer.trial_ended_elsewhere(trial)

    # Proposing

    def next(self, worker: int) -> RunningTrial | None:
        """The trial that `worker` should train now; None when there is none (or none yet)."""
        self._look_around()
        while self._interrupted:
            running = self._again(self._interrupted.popleft(), worker)
            if running is not None:
                return running
        if self._building is not None or not (self._claimed is not None or self._may_start()):
            return None
        return self._propose(worker)

    def _again(self, earlier: Trial, worker: int) -> RunningTrial | None:
        """Start an interrupted trial anew, with the values it had where its model was built already."""
        suggestion = Suggestion(earlier.values, earlier.schedule)
        running = RunningTrial(earlier.number, suggestion, worker, attempt=earlier.attempt)
        if earlier.attempt > self._limits.max_retries:
            running.earlier, running.trial = earlier, earlier
            times = "once" if earlier.attempt == 1 else f"{earlier.attempt} times"
            self.ended(running, Outcome(TrialState.FAILED, reason=f"its process died {times} while it ran"))
            return None
        if not earlier.is_built:
            if self._claimed is not None:
                self._interrupted.append(earlier)
            self._claimed = self._claimed or earlier
            return None
        running.earlier, running.answers = earlier, dict(earlier.values)
        return running

    def _propose(self, worker: int) -> RunningTrial | None:
        """One trial is built at a time, so that what is built can be compared with all that was."""
        number = self._store.next_number if self._claimed is None else self._claimed.number
        suggestion = self._searcher.ask(number, self._proposals)
        if suggestion is Pause.EXHAUSTED:
            self._end_of_space()
        if isinstance(suggestion, Pause):
            return None
        if isinstance(suggestion, Resume):
            return self._thaw(suggestion.number, worker)
        if self._claimed is None and not self._has_number:
            self._searcher.retract(number)
            return None
        if self._claimed is None:
            claimed = self._claim(number, suggestion)
            if claimed is None:
                return None
            number, suggestion = claimed
        assert self._claimed is not None
        self._building = RunningTrial(number, suggestion, worker, attempt=self._claimed.attempt)
        return self._building

    def _claim(self, number: int, suggestion: Suggestion) -> tuple[int, Suggestion] | None:
        """Make `number` ours; where another process was quicker, the next one, with what is proposed for it."""
        claimed = self._store.claim(self._limits.max_trials)
        if claimed == number:
            self._claimed = Trial(number, TrialState.RUNNING, {})
            return number, suggestion
        self._searcher.retract(number)
        self._others.look_at_once()
        self._look_around()
        if claimed is None:
            return None
        self._claimed = Trial(claimed, TrialState.RUNNING, {})
        again = self._searcher.ask(claimed)
        return (claimed, again) if isinstance(again, Suggestion) else None

    def _thaw(self, number: int, worker: int) -> RunningTrial:
        """Go on with a paused trial. Raises StudyError when it is none."""
        if number not in self._paused:
            raise StudyError(
                f"The searcher wants to resume trial {number}. Expected one of the paused trials: "
                f"{', '.join(map(str, sorted(self._paused))) or 'none'}; check what its `ask` returns."
            )
        paused = self._paused.pop(number)
        thawed = replace(paused, state=TrialState.RUNNING, thawed_at=max(paused.reports, default=0))
        self._store.thaw(thawed)
        suggestion = Suggestion(thawed.values, thawed.schedule)
        return RunningTrial(number, suggestion, worker, dict(thawed.values), earlier=thawed, attempt=thawed.attempt)

    def _end_of_space(self) -> None:
        if not self._exhausted:
            count = self._store.next_number - (self._claimed is not None)
            self._observer.note(f"Nothing is left to try: the space (or the schedule) is used up after {count} trials.")
        self._exhausted = True
        claimed, self._claimed = self._claimed, None
        if claimed is not None and not self._store.give_back(claimed.number):
            unused = replace(claimed, state=TrialState.FAILED, reason="nothing new was left to try")
            self._store.finish(unused, self._space)

    def request(self, running: RunningTrial) -> Request:
        """What the worker is sent."""
        request, lost = self._checkpoints.request(running, self._trial_seed(running.number))
        if lost:
            self._observer.note(f"Trial {running.number} starts afresh: the checkpoint {lost} is gone.")
        return request

    # While it is built and trained

    def answer(self, running: RunningTrial, hyperparameter: Hyperparameter) -> Value:
        """The value the builder gets. Raises SpaceError when the hyperparameter is declared wrongly."""
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
            self._write(running, lambda: self._store.add_value(running.number, key, hyperparameter, value))
            self._asked_in_fit[key] = hyperparameter
            self._known.setdefault(_identity(running.answers), running.number)
        return value

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
            self._searcher.retract(running.number)
            return False
        self._record_start(running, used, parameters)
        return not running.lost

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
        trial = Trial(
            running.number,
            TrialState.RUNNING,
            dict(values),
            schedule=running.suggestion.schedule,
            seed=self._trial_seed(running.number),
            parameters=parameters,
            attempt=running.attempt,
        )
        self._building = self._claimed = None
        self._proposals = 0
        if not self._write(running, lambda: self._store.start(trial, self._space)):
            self._searcher.retract(running.number)
            return
        running.trial = trial
        self._searcher.accept(running.number, dict(values))
        self._others.is_ours_again(trial)
        self._known.setdefault(_identity(values), running.number)
        self._observer.trial_started(trial, running.worker)

    def resumed(self, running: RunningTrial, reports: Mapping[int, float]) -> None:
        """It goes on from a checkpoint: the searcher hears what it would have heard; it decided on that before."""
        assert running.trial is not None
        running.trial = replace(running.trial, reports=dict(reports))
        for epoch, value in sorted(reports.items()):
            self._searcher.report(running.number, epoch, value)
            self._observer.epoch_ended(running.number, epoch, value)

    def note(self, line: str) -> None:
        """A line of the worker, for a person."""
        self._observer.note(line)

    def epoch(self, running: RunningTrial, epoch: int, value: float) -> Decision:
        """Record the objective after `epoch`, and decide what is to become of the trial."""
        assert running.trial is not None
        running.trial = replace(running.trial, reports={**running.trial.reports, epoch: value})
        if not self._write(running, lambda: self._store.report(running.number, epoch, value)):
            return Decision.STOP
        self._observer.epoch_ended(running.number, epoch, value)
        decision = self._searcher.report(running.number, epoch, value)
        # A paused trial whose checkpoint was lost trains again what it was paused after.
        return Decision.GO_ON if epoch <= running.trial.thawed_at else decision

    def _write(self, running: RunningTrial, action: Callable[[], None]) -> bool:
        """Whether the record took it; it does not when another process has the trial by now."""
        try:
            action()
        except LostTrial:
            running.lost = True
        return not running.lost

    # Ending

    def interrupt(self, running: Sequence[RunningTrial]) -> None:
        """Say which trials the end of the time budget interrupts; they stay unfinished and go on another time."""
        if running:
            numbers = ", ".join(str(r.number) for r in running)
            self._observer.note(f"The time budget is used up. Interrupted, to go on with the same command: {numbers}.")

    def ended(self, running: RunningTrial, outcome: Outcome | None) -> None:
        """Record the end of a trial; `outcome` is None for a duplicate, which is proposed anew.

        Raises:
            BuildError: trial 0 could not be built.
            RepeatedFailure: one trial too many failed for the same reason.
        """
        if running.lost:
            self._drop(running)
            return
        if outcome is None:
            self._repropose()
            return
        if outcome.stage == "build" and running.number == 0 and outcome.traceback:
            self._store.give_back(running.number)
            raise BuildError(f"The builder raised {outcome.reason}", outcome.traceback)
        if running.trial is None and running.earlier is not None:
            running.trial = running.earlier
        elif running.trial is None:
            self._record_start(running, dict(running.answers), parameters=0)
        assert running.trial is not None
        trial = replace(
            running.trial,
            state=outcome.state,
            score=outcome.score if outcome.state.is_finished else None,
            epochs=outcome.epochs,
            best_epoch=outcome.best_epoch,
            seconds=outcome.seconds,
            reason=outcome.reason,
        )
        self._fit_has_run = self._fit_has_run or outcome.state is TrialState.COMPLETE
        if not self._write(running, lambda: self._store.finish(trial, self._space, outcome.history)):
            self._drop(running)
            return
        self._searcher.tell(trial)
        if trial.state is TrialState.PAUSED:
            self._paused[trial.number] = trial
            self._observer.trial_paused(trial, running.worker)
            return
        self._others.is_ours_again(trial)
        self._budget.count(trial)
        self._checkpoints.discard(trial)
        self._observer.trial_ended(trial, running.worker)
        self._failures.count(trial)

    def close_paused(self) -> None:
        """Nothing more is trained: trials that are still paused end as pruned, with their best score so far."""
        for trial in [*self._paused.values()]:
            best = trial.best_epoch if trial.best_epoch in trial.reports else max(trial.reports)
            closed = replace(trial, state=TrialState.PRUNED, score=trial.reports[best])
            self._store.finish(closed, self._space)
            del self._paused[trial.number]
            self._searcher.tell(closed)
            self._checkpoints.discard(closed)
            self._observer.trial_ended(closed, worker=0)

    def died(self, running: RunningTrial, outcome: Outcome) -> None:
        """The worker of a trial was killed from outside: train the trial again, or record `outcome` if that was done
        often enough.
        """
        if running.lost or running.attempt >= self._limits.max_retries:
            self.ended(running, outcome)
            return
        self._observer.note(f"Trial {running.number} is trained again: {outcome.reason}.")
        self._observer.trial_dropped(running.number, running.worker)
        attempt = running.attempt + 1
        built = running.trial or running.earlier
        if not self._write(running, lambda: self._store.retry(running.number, attempt)):
            self._drop(running)
        elif built is not None:
            self._interrupted.append(replace(built, attempt=attempt, reports={}))
        else:
            self._searcher.retract(running.number)
            self._building, self._claimed = None, Trial(running.number, TrialState.RUNNING, {}, attempt=attempt)

    def _drop(self, running: RunningTrial) -> None:
        """What became of a trial that another process took over is learned from the record."""
        if self._building is running:
            self._building = self._claimed = None
            self._searcher.retract(running.number)
        self._store.leave_to_others(running.number)
        self._observer.trial_dropped(running.number, running.worker)
        self._observer.note(
            f"Trial {running.number} was taken over by another process while this one stood still; what it has here "
            "is dropped."
        )
        self._others.look_at_once()

    def _repropose(self) -> None:
        self._building = None
        self._proposals += 1
        if self._proposals >= MOST_PROPOSALS:
            self._end_of_space()

    def _trial_seed(self, number: int) -> int:
        """A promoted trial goes on with fresh shuffling; its weights come from the checkpoint."""
        return derive_seed(self._seed, "trial", number)


def _identity(values: Mapping[str, Value]) -> frozenset[tuple[str, Value]]:
    return frozenset(values.items())
