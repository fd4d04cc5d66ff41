"""The life of each trial, as the supervisor sees it: proposed, claimed, built, accepted, trained, recorded.

`Lifecycle` knows nothing of worker processes; `loop.py` calls it for trials in them (see `jobs.Jobs`), or in this one.
Other supervisors may work on the same study: their trials are learned from the record, and those of dead ones are taken
over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from truetune.errors import BuildError
from truetune.search.base import Searcher
from truetune.seeds import derive_seed
from truetune.space import Hyperparameter, Space, Value
from truetune.storage.leases import Leases
from truetune.storage.peers import OtherProcesses
from truetune.storage.record import LostTrial
from truetune.storage.store import Store
from truetune.study.budget import Budget, Limits
from truetune.study.checkpoint_files import Checkpoints
from truetune.study.evaluation import Evaluation
from truetune.study.events import Observer
from truetune.study.failures import FailureWatch
from truetune.study.kept_weights import KeptWeights
from truetune.study.proposing import REPEATED, TOO_LARGE, Proposer
from truetune.study.running import RunningTrial
from truetune.study.size_limits import Feasibility, explained
from truetune.task import Objective
from truetune.training.messages import Declined, Host, Outcome, Request, StageBegins
from truetune.trial import KILLED, OUT_OF_MEMORY, Decision, Suggestion, Trial, TrialState
from truetune.workers.memory import Death


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
        max_parameters: larger models are not trained.
        weights: of the trials that keep theirs; None keeps none.
        evaluation: in how many folds a trial is trained; None is one.
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
        max_parameters: int | None = None,
        weights: KeptWeights | None = None,
        evaluation: Evaluation | None = None,
    ) -> None:
        self._searcher, self._store, self._space, self.limits = searcher, store, space, limits
        self._seed, self._checkpoints, self.observer = seed, Checkpoints.of(checkpoints, trials), observer
        self._weights = weights or KeptWeights(checkpoints, "none", objective, ())
        self._evaluation = evaluation or Evaluation()
        self.budget = Budget(limits, objective, trials)
        self._known = {_identity(t.values): t.number for t in trials if t.is_built and t.schedule.parent is None}
        self._others = OtherProcesses(store, leases, trials)
        self._failures = FailureWatch()
        self._feasibility = Feasibility(space, trials, max_parameters, observer)
        self._interrupted: deque[Trial] = deque()
        self._unbuilt: deque[Trial] = deque()
        self._proposer = Proposer(searcher, store, space, limits, self.budget, observer, trials, self._look_at_once)
        self._asked_in_fit: dict[str, Hyperparameter] = {}
        self._fit_has_run = False
        self._noted: set[str] = set()
        self._look_around()

    @property
    def has_more(self) -> bool:
        """Whether there are trials left to start here."""
        return bool(self._interrupted or self._unbuilt) or self._proposer.may_start

    @property
    def waits_for_others(self) -> bool:
        """Whether another process still trains: if it dies, its trials are ours to do."""
        return bool(self._others.running) and not self.budget.is_over

    @property
    def is_over(self) -> bool:
        """Whether the time is up also for what runs."""
        return self.budget.is_over

    # Other processes

    def _look_around(self) -> None:
        """Learn what others did, and take over what dead ones left."""
        if self._others.is_due:
            for trial in self._others.news():
                self._learn(trial)
            self._interrupted.extend(self._others.take_over())

    def _look_at_once(self) -> None:
        self._others.look_at_once()
        self._look_around()

    def _learn(self, trial: Trial) -> None:
        self._known.setdefault(_identity(trial.values), trial.number)
        self._searcher.observe(trial)
        self._feasibility.learn(trial)
        self._weights.learn(trial)
        if trial.state.is_finished:
            self.budget.count(trial)
            self.observer.trial_ended_elsewhere(trial)

    # Proposing

    def next(self, worker: int) -> RunningTrial | None:
        """The trial that `worker` should train now; None when there is none (or none yet)."""
        self._look_around()
        while self._interrupted:
            running = self._again(self._interrupted.popleft(), worker)
            if running is not None:
                return running
        if self._unbuilt and not self._proposer.holds_number:
            self._proposer.hold(self._unbuilt.popleft())
        return self._proposer.propose(worker)

    def _again(self, earlier: Trial, worker: int) -> RunningTrial | None:
        """Start an interrupted trial anew, with the values it had where its model was built already."""
        suggestion = Suggestion(earlier.values, earlier.schedule)
        running = RunningTrial(earlier.number, suggestion, worker, attempt=earlier.attempt)
        if earlier.attempt > self.limits.max_retries:
            running.earlier, running.trial = earlier, earlier
            times = "once" if earlier.attempt == 1 else f"{earlier.attempt} times"
            self.ended(
                running, Outcome(TrialState.FAILED, reason=f"its process died {times} while it ran", cause=KILLED)
            )
            return None
        if not earlier.is_built:
            self._unbuilt.append(earlier)
            return None
        running.earlier, running.answers = earlier, dict(earlier.values)
        return running

    def request(self, running: RunningTrial) -> Request:
        """What the worker is sent."""
        request, lost = self._checkpoints.request(running, self._trial_seed(running.number))
        if lost:
            self.observer.note(f"Trial {running.number} starts afresh: the checkpoint {lost} is gone.")
        return self._evaluation.asked(self._weights.asked(request))

    def host(self, running: RunningTrial) -> TrialHost:
        """Answers whoever trains it."""
        return TrialHost(self, running)

    def fold_file(self, running: RunningTrial, fold: int) -> Path:
        """Where a fold is left that another worker trains ahead."""
        return self._checkpoints.fold_path(running.number, fold)

    # While it is built and trained

    def known(self, running: RunningTrial, hyperparameter: Hyperparameter) -> Value:
        """What its builder was told. Raises Declined where it did not ask."""
        key = self._space.copy().add(hyperparameter)
        if key not in running.answers:
            raise Declined(f"The builder of trial {running.number} asks for '{key}', which it did not ask for before.")
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
        value = self._propose_value(running, key, hyperparameter)
        running.answers[key] = value
        if running.trial is not None:
            running.trial = replace(running.trial, values=dict(running.answers))
            self._write(running, lambda: self._store.add_value(running.number, key, hyperparameter, value))
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
            self.observer.trial_started(running.trial, running.worker)
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
        self._proposer.accepted()
        if not self._write(running, lambda: self._store.start(trial, self._space)):
            self._searcher.retract(running.number)
            return
        running.trial = trial
        self._searcher.accept(running.number, dict(values))
        self._others.note_own(trial)
        self._known.setdefault(_identity(values), running.number)
        self.observer.trial_started(trial, running.worker)

    def resumed(self, running: RunningTrial, reports: Mapping[int, float]) -> None:
        """It goes on from a checkpoint: the searcher hears what it would have heard; it decided on that before."""
        assert running.trial is not None
        running.trial = replace(running.trial, reports=dict(reports))
        for epoch, value in sorted(reports.items()):
            self._searcher.report(running.number, epoch, value)
            self.observer.epoch_ended(running.number, epoch, value)

    def note(self, line: str) -> None:
        """A line of the worker, for a person; what every trial would repeat is noted once."""
        if line not in self._noted:
            self.observer.note(line)
        self._noted.add(line)

    def epoch(self, running: RunningTrial, epoch: int, value: float) -> Decision:
        """Record the objective after `epoch` (counted on over folds), and decide what is to become of the trial."""
        assert running.trial is not None
        running.trial = replace(running.trial, reports={**running.trial.reports, epoch: value})
        if not self._write(running, lambda: self._store.report(running.number, epoch, value)):
            return Decision.STOP
        self.observer.epoch_ended(running.number, epoch, value)
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

    def close(self, running: Sequence[RunningTrial]) -> None:
        """Nothing more is trained. Trials that the end of the time budget interrupts stay unfinished and go on another
        time; those that are paused end as pruned.
        """
        if running:
            numbers = ", ".join(str(r.number) for r in running)
            self.observer.note(f"The time budget is used up. Interrupted, to go on with the same command: {numbers}.")
        self._close_paused()

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
            self._proposer.refused(running)
            return
        if outcome.stage == "build" and running.number == 0 and outcome.traceback and outcome.cause != OUT_OF_MEMORY:
            self._store.give_back(running.number)
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
            score=outcome.score if outcome.state.is_finished else None,
            epochs=outcome.epochs,
            best_epoch=outcome.best_epoch,
            seconds=outcome.seconds,
            reason=outcome.reason,
            cause=outcome.cause,
            fold_scores=outcome.fold_scores,
            metrics=dict(outcome.metrics),
            fold_metrics=dict(outcome.fold_metrics),
            stages=outcome.stages,
        )
        self._fit_has_run = self._fit_has_run or outcome.state is TrialState.COMPLETE
        if not self._write(running, lambda: self._store.finish(trial, self._space, outcome.history)):
            self._drop(running)
            return
        self._searcher.tell(trial)
        if trial.state is TrialState.PAUSED:
            self._proposer.paused[trial.number] = trial
            self.observer.trial_paused(trial, running.worker)
            return
        self._feasibility.learn(trial)
        self._others.note_own(trial)
        self.budget.count(trial)
        self._weights.learn(trial)
        self._checkpoints.discard(trial)
        self._checkpoints.discard_losers(self._searcher)
        self.observer.trial_ended(trial, running.worker)
        self._failures.count(trial)

    def _close_paused(self) -> None:
        """They end with their best score so far."""
        for trial in [*self._proposer.paused.values()]:
            best = trial.best_epoch if trial.best_epoch in trial.reports else max(trial.reports)
            closed = replace(trial, state=TrialState.PRUNED, score=trial.reports[best])
            self._store.finish(closed, self._space)
            del self._proposer.paused[trial.number]
            self._searcher.tell(closed)
            self._checkpoints.discard(closed)
            self.observer.trial_ended(closed, worker=0)

    def failed(self, running: RunningTrial, reason: str, cause: str) -> None:
        """Record a failure that the worker could not tell of."""
        seconds = time.monotonic() - running.began
        self.ended(running, Outcome(TrialState.FAILED, reason=reason, seconds=seconds, cause=cause))

    def died(self, running: RunningTrial, death: Death) -> None:
        """The worker of a trial died. Where it was killed from outside, the trial is trained again, unless that was
        done often enough; where it was to blame itself, it has failed.
        """
        if death.cause != KILLED or running.lost or running.attempt >= self.limits.max_retries:
            self.failed(running, death.reason, death.cause)
            return
        self.observer.note(f"Trial {running.number} is trained again: {death.reason}.")
        self.observer.trial_dropped(running.number, running.worker)
        attempt = running.attempt + 1
        built = running.trial or running.earlier
        if not self._write(running, lambda: self._store.retry(running.number, attempt)):
            self._drop(running)
        elif built is not None:
            self._interrupted.append(replace(built, attempt=attempt, reports={}))
        else:
            self._searcher.retract(running.number)
            self._proposer.hold(Trial(running.number, TrialState.RUNNING, {}, attempt=attempt))

    def _drop(self, running: RunningTrial) -> None:
        """What became of a trial that another process took over is learned from the record."""
        self._proposer.drop(running)
        self._store.leave_to_others(running.number)
        self.observer.trial_dropped(running.number, running.worker)
        self.observer.note(
            f"Trial {running.number} was taken over by another process while this one stood still; what it has here "
            "is dropped."
        )
        self._others.look_at_once()

    def _trial_seed(self, number: int) -> int:
        """A promoted trial goes on with fresh shuffling; its weights come from the checkpoint."""
        return derive_seed(self._seed, "trial", number)


class TrialHost(Host):
    """Answers a trial from its lifecycle."""

    def __init__(self, lifecycle: Lifecycle, running: RunningTrial) -> None:
        self._lifecycle, self._running = lifecycle, running

    def answer(self, hyperparameter: Hyperparameter) -> Value:
        return self._lifecycle.answer(self._running, hyperparameter)

    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        return self._lifecycle.built(self._running, values, parameters, complete)

    def resumed(self, reports: Mapping[int, float]) -> None:
        self._lifecycle.resumed(self._running, reports)

    def epoch(self, epoch: int, value: float) -> Decision:
        return self._lifecycle.epoch(self._running, epoch, value)

    def note(self, line: str) -> None:
        self._lifecycle.note(line)

    def stage_begins(self, begun: StageBegins) -> None:
        self._lifecycle.observer.stage_started(self._running.number, begun)


def _identity(values: Mapping[str, Value]) -> frozenset[tuple[str, Value]]:
    return frozenset(values.items())
