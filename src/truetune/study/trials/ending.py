"""How trials end: recorded, and passed on to all that learn from it."""

from __future__ import annotations

from dataclasses import replace

from truetune.study.trials.checkpoint_files import Checkpoints
from truetune.study.trials.failures import FailureWatch
from truetune.study.trials.parts import LifecycleParts
from truetune.study.trials.running import RunningTrial
from truetune.study.trials.size_limits import explained
from truetune.training.messages import Outcome
from truetune.trial import Trial, TrialState


class Endings:
    """Records how trials ended, or that they are paused or lost to another process.

    Args:
        parts: what it works with.
        checkpoints: removed when they have served.
    """

    def __init__(self, parts: LifecycleParts, checkpoints: Checkpoints) -> None:
        self._parts, self._searcher, self._checkpoints = parts, parts.searcher, checkpoints
        self._store, self._space, self._observer = parts.context.store, parts.context.space, parts.context.observer
        self._failures = FailureWatch()

    def record(self, running: RunningTrial, outcome: Outcome) -> None:
        """The end of a trial that is in the record.

        Raises:
            RepeatedFailure: one trial too many failed for the same reason.
        """
        assert running.trial is not None
        outcome = explained(outcome, running.trial, self._space.names(running.trial.values))
        trial = ended(running.trial, outcome)
        if not running.writes(lambda: self._store.finish(trial, self._space, outcome.history)):
            self.drop(running)
            return
        self._searcher.tell(trial)
        if trial.state is TrialState.PAUSED:
            self._parts.proposer.paused[trial.number] = trial
            self._observer.trial_paused(trial, running.worker)
            return
        self._parts.takeover.note_own(trial)
        self._parts.known.learn(trial)
        self._checkpoints.discard(trial)
        self._checkpoints.discard_losers(self._searcher)
        self._observer.trial_ended(trial, running.worker)
        self._failures.count(trial)

    def close_paused(self) -> None:
        """Trials that are paused when nothing more is trained end with their best score so far."""
        for trial in [*self._parts.proposer.paused.values()]:
            best = trial.best_epoch if trial.best_epoch in trial.reports else max(trial.reports)
            closed = replace(trial, state=TrialState.PRUNED, score=trial.reports[best])
            self._store.finish(closed, self._space)
            del self._parts.proposer.paused[trial.number]
            self._searcher.tell(closed)
            self._checkpoints.discard(closed)
            self._observer.trial_ended(closed, worker=0)

    def drop(self, running: RunningTrial) -> None:
        """What became of a trial that another process took over is learned from the record."""
        self._parts.proposer.drop(running)
        self._store.leave_to_others(running.number)
        self._observer.trial_dropped(running.number, running.worker)
        self._observer.note(
            f"Another process took over trial {running.number} while this one was frozen; its results here are "
            "discarded."
        )
        self._parts.takeover.make_due()


def ended(trial: Trial, outcome: Outcome) -> Trial:
    """`trial` as it is recorded."""
    return replace(
        trial,
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
