"""How trials end: recorded, and passed on to all that learn from it."""

from __future__ import annotations

from dataclasses import replace

from truetune.search.base import Searcher
from truetune.study.context import StudyContext
from truetune.study.trials.checkpoint_files import Checkpoints
from truetune.study.trials.failures import FailureWatch
from truetune.study.trials.known_trials import KnownTrials
from truetune.study.trials.proposing import Proposer
from truetune.study.trials.running import RunningTrial
from truetune.study.trials.size_limits import explained
from truetune.study.trials.takeover import Takeover
from truetune.training.messages import Outcome
from truetune.trial import Trial, TrialState


class Endings:
    """Records how trials ended, or that they are paused or lost to another process.

    Args:
        searcher: is told of each end.
        context: of the study.
        known: learns from each end.
        proposer: keeps the paused trials.
        takeover: is told which trials are ours.
        checkpoints: removed when they have served.
    """

    def __init__(
        self,
        searcher: Searcher,
        context: StudyContext,
        known: KnownTrials,
        proposer: Proposer,
        takeover: Takeover,
        checkpoints: Checkpoints,
    ) -> None:
        self._searcher, self._context, self._known = searcher, context, known
        self._proposer, self._takeover, self._checkpoints = proposer, takeover, checkpoints
        self._failures = FailureWatch()

    def record(self, running: RunningTrial, outcome: Outcome) -> None:
        """The end of a trial that is in the record.

        Raises:
            RepeatedFailure: one trial too many failed for the same reason.
        """
        assert running.trial is not None
        space = self._context.space
        outcome = explained(outcome, running.trial, space.names(running.trial.values))
        trial = ended(running.trial, outcome)
        if not running.writes(lambda: self._context.store.finish(trial, space, outcome.history)):
            self.drop(running)
            return
        self._searcher.tell(trial)
        if trial.state is TrialState.PAUSED:
            self._proposer.paused[trial.number] = trial
            self._context.observer.trial_paused(trial, running.worker)
            return
        self._takeover.note_own(trial)
        self._known.learn(trial)
        self._checkpoints.discard(trial)
        self._checkpoints.discard_losers(self._searcher)
        self._context.observer.trial_ended(trial, running.worker)
        self._failures.count(trial)

    def close_paused(self) -> None:
        """Trials that are paused when nothing more is trained end with their best score so far."""
        for trial in [*self._proposer.paused.values()]:
            best = trial.best_epoch if trial.best_epoch in trial.reports else max(trial.reports)
            closed = replace(trial, state=TrialState.PRUNED, score=trial.reports[best])
            self._context.store.finish(closed, self._context.space)
            del self._proposer.paused[trial.number]
            self._searcher.tell(closed)
            self._checkpoints.discard(closed)
            self._context.observer.trial_ended(closed, worker=0)

    def drop(self, running: RunningTrial) -> None:
        """What became of a trial that another process took over is learned from the record."""
        self._proposer.drop(running)
        self._context.store.leave_to_others(running.number)
        self._context.observer.trial_dropped(running.number, running.worker)
        self._context.observer.note(
            f"Trial {running.number} was taken over by another process while this one stood still; what it has here "
            "is dropped."
        )
        self._takeover.make_due()


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
    )
