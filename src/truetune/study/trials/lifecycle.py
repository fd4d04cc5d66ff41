"""The life of each trial, as the supervisor sees it: proposed, claimed, built, accepted, trained, recorded.

`Lifecycle` has no notion of worker processes; `loop.py` calls it for trials in them (see `jobs.Jobs`), or in this one.
Other supervisors may work on the same study: their trials are learned from the record, and those of dead ones are taken
over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from truetune.errors import BuildError
from truetune.search.base import Searcher
from truetune.space import Hyperparameter, Value
from truetune.study.budget import Budget, Limits
from truetune.study.context import StudyContext, StudySettings
from truetune.study.jobs import failure
from truetune.study.trials.building import Building, trial_seed
from truetune.study.trials.checkpoint_files import Checkpoints
from truetune.study.trials.ending import Endings
from truetune.study.trials.host import TrialHost
from truetune.study.trials.known_trials import KnownTrials
from truetune.study.trials.parts import LifecycleParts
from truetune.study.trials.proposing import Proposer
from truetune.study.trials.running import RunningTrial
from truetune.study.trials.takeover import Takeover
from truetune.training.messages import Outcome, Request
from truetune.trial import KILLED, OUT_OF_MEMORY, Suggestion, Trial, TrialState
from truetune.workers.memory import Death


class Lifecycle:
    """Hands out trials, answers their builders, records how they went.

    Args:
        searcher: restored already, from `trials`.
        trials: what the record held when the searcher was restored.
        settings: what was asked for.
        context: what the study works with.
    """

    def __init__(
        self, searcher: Searcher, trials: Sequence[Trial], settings: StudySettings, context: StudyContext
    ) -> None:
        self._searcher, self._settings, self._context = searcher, settings, context
        self._known = KnownTrials(trials, settings, context)
        self._checkpoints = Checkpoints.of(context.checkpoints, trials)
        self._takeover = Takeover(searcher, self._known, trials, context)
        self._proposer = Proposer(searcher, context, self._known.budget, trials, self.look_at_once)
        parts = LifecycleParts(searcher, context, self._known, self._proposer, self._takeover)
        self._building = Building(parts, settings.seed)
        self._endings = Endings(parts, self._checkpoints)
        self._takeover.look()

    @property
    def has_more(self) -> bool:
        """Whether there are trials left to start here."""
        return self._takeover.has_trials or self._proposer.may_start

    @property
    def waits_for_others(self) -> bool:
        """Whether another process still trains: if it dies, its trials are ours to do."""
        return self._takeover.others_train and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the time is up also for what runs."""
        return self.budget.is_over

    @property
    def limits(self) -> Limits:
        return self._settings.limits

    @property
    def budget(self) -> Budget:
        """What is left of the limits."""
        return self._known.budget

    def look_at_once(self) -> None:
        """Learn from the record what other processes did, however short ago that was done."""
        self._takeover.look_at_once()

    def next(self, worker: int) -> RunningTrial | None:
        """The trial that `worker` should train now; None when there is none (or none yet)."""
        self._takeover.look()
        while self._takeover.interrupted:
            running = self._again(self._takeover.interrupted.popleft(), worker)
            if running is not None:
                return running
        if self._takeover.unbuilt and not self._proposer.holds_number:
            self._proposer.hold(self._takeover.unbuilt.popleft())
        return self._proposer.propose(worker)

    def _again(self, earlier: Trial, worker: int) -> RunningTrial | None:
        """Start an interrupted trial anew, with the values it had where its model was built already."""
        suggestion = Suggestion(earlier.values, earlier.schedule)
        running = RunningTrial(earlier.number, suggestion, worker, attempt=earlier.attempt)
        if earlier.attempt > self.limits.max_retries:
            running.earlier, running.trial = earlier, earlier
            times = "once" if earlier.attempt == 1 else f"{earlier.attempt} times"
            reason = f"its process died {times} while it ran"
            self.ended(running, Outcome(TrialState.FAILED, reason=reason, cause=KILLED))
            return None
        if not earlier.is_built:
            self._takeover.unbuilt.append(earlier)
            return None
        running.earlier, running.answers = earlier, dict(earlier.values)
        return running

    def request(self, running: RunningTrial) -> Request:
        """What the worker is sent."""
        request, lost = self._checkpoints.request(running, trial_seed(self._settings.seed, running.number))
        if lost:
            self._context.observer.note(
                f"Trial {running.number} restarts from the beginning: its checkpoint {lost} is missing."
            )
        return self._settings.evaluation.asked(self._known.weights.asked(request))

    def host(self, running: RunningTrial) -> TrialHost:
        """Answers whoever trains it."""
        return TrialHost(running, self._building, self._searcher, self._context)

    def known(self, running: RunningTrial, hyperparameter: Hyperparameter) -> Value:
        """The value given to its builder. Raises Declined for one it did not request."""
        return self._building.known(running, hyperparameter)

    def fold_file(self, running: RunningTrial, fold: int) -> Path:
        """Where a fold is left that another worker trains ahead."""
        return self._checkpoints.fold_path(running.number, fold)

    def ended(self, running: RunningTrial, outcome: Outcome | None) -> None:
        """Record the end of a trial; `outcome` is None for a duplicate, which is proposed anew.

        Raises:
            BuildError: trial 0 could not be built.
            RepeatedFailure: one trial too many failed for the same reason.
        """
        if running.lost:
            self._endings.drop(running)
            return
        if outcome is None:
            self._proposer.refused(running)
            return
        if outcome.stage == "build" and running.number == 0 and outcome.traceback and outcome.cause != OUT_OF_MEMORY:
            self._context.store.give_back(running.number)
            raise BuildError(f"The builder raised {outcome.reason}", outcome.traceback)
        if running.trial is None and running.earlier is not None:
            running.trial = running.earlier
        elif running.trial is None:
            self._building.record_start(running, dict(running.answers), parameters=0)
        self._building.note_end(outcome)
        self._endings.record(running, outcome)

    def died(self, running: RunningTrial, death: Death) -> None:
        """The worker of a trial died. Where it was killed from outside, the trial is trained again, unless that was
        done often enough; where it was to blame itself, it has failed.
        """
        if death.cause != KILLED or running.lost or running.attempt >= self.limits.max_retries:
            self.ended(running, failure(running, death.reason, death.cause))
            return
        self._context.observer.note(f"Retrying trial {running.number}: {death.reason}.")
        self._context.observer.trial_dropped(running.number, running.worker)
        attempt = running.attempt + 1
        built = running.trial or running.earlier
        if not running.writes(lambda: self._context.store.retry(running.number, attempt)):
            self._endings.drop(running)
        elif built is not None:
            self._takeover.interrupted.append(replace(built, attempt=attempt, reports={}))
        else:
            self._searcher.retract(running.number)
            self._proposer.hold(Trial(running.number, TrialState.RUNNING, {}, attempt=attempt))

    def close(self, running: Sequence[RunningTrial]) -> None:
        """Nothing more is trained. Trials that the end of the time budget interrupts stay unfinished and go on another
        time; those that are paused end as pruned.
        """
        if running:
            numbers = ", ".join(str(r.number) for r in running)
            self._context.observer.note(
                f"The time budget ran out. Interrupted trials: {numbers}. Rerun the same command to continue."
            )
        self._endings.close_paused()
