"""What travels between search, training and study: suggestions and trials, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from truetune.space import Value

OUT_OF_MEMORY = "out of memory"
KILLED = "killed"
TIMEOUT = "timeout"
ERROR = "error"
CAUSES = ("", OUT_OF_MEMORY, KILLED, TIMEOUT, ERROR)
"""What a failed trial failed of: its model was too large, somebody ended its worker, it took too long, or anything
else. Empty for a trial that did not fail."""


TODAY = 0
"""Number of the trial that is today's configuration."""

STAGES = CHOOSING, CONFIRMING = "choosing", "confirming"
"""The stages of the re-evaluation: the first chooses the winner; the second, which takes no part in the choice,
measures it."""


class TrialState(StrEnum):
    """The state of a trial.

    `FAILED` covers crashes, exceptions and non-finite losses; `reason` names the cause. A `PAUSED` trial has a
    checkpoint and resumes when its searcher requests it.
    """

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def is_finished(self) -> bool:
        return self not in (TrialState.RUNNING, TrialState.PAUSED)


class Decision(Enum):
    """A searcher's decision after an epoch of a trial."""

    GO_ON = "train the next epoch"
    STOP = "this trial is hopeless"
    PAUSE = "keep a checkpoint; the searcher may resume this trial later"


@dataclass(frozen=True)
class Schedule:
    """How long a trial trains, and what it continues. Hyperband fills it; other searchers leave the defaults.

    Attributes:
        epochs: cumulative epochs to train to; None means the task's own number.
        initial_epoch: the first epoch not yet trained (0 for a fresh model).
        parent: number of the trial whose weights and optimizer state this one continues.
        bracket, round: the place in Hyperband's schedule; `bracket` counts the brackets as they were started.
    """

    epochs: int | None = None
    initial_epoch: int = 0
    parent: int | None = None
    bracket: int | None = None
    round: int | None = None


@dataclass(frozen=True)
class Suggestion:
    """What a searcher wants trained next. `values` (by space key) may be partial; the rest is asked while building."""

    values: Mapping[str, Value]
    schedule: Schedule = Schedule()


@dataclass(frozen=True)
class TrainedStage:
    """How a stage of a training went.

    Attributes:
        name: of the stage; "" where the recipe has callbacks and no stages.
        epochs: that it was trained.
        kept: the first of them, which led to the weights that the trial keeps.
        learning_rates: of each epoch, at its beginning.
    """

    name: str
    epochs: int
    kept: int
    learning_rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class TrainingCourse:
    """How long each stage is trained, where no validation rows can end it; a training without stages has one.

    Attributes:
        epochs: of each stage, the last one that is trained included.
        learning_rates: of every epoch of each stage, where a recipe may have changed them; empty where none did.
    """

    epochs: tuple[int, ...]
    learning_rates: tuple[tuple[float, ...], ...] = ()

    @property
    def total(self) -> int:
        """Epochs in all."""
        return sum(self.epochs)


@dataclass(frozen=True)
class Trial:
    """One trial, running or finished, as the record knows it.

    Attributes:
        number: 0, 1, 2 …; trial 0 is today's configuration.
        values: by space key; only what the builder really asked for.
        score: objective of the weights the trial keeps (its best epoch), in the objective's own direction;
            None unless `state` is COMPLETE or PRUNED.
        reports: objective value by epoch (1 is the first; counted on over folds, see `SearchProblem`).
        epochs: epochs trained in all, those of its parents included.
        best_epoch: the epoch whose weights are kept.
        seconds: training time of this trial alone.
        parameters: number of weights of the model.
        reason: why it failed, in one line.
        cause: one of `CAUSES`; searchers learn from it.
        fold_scores: objective of each fold, where there are several; `score` is that of all their rows together.
        metrics: every metric of the model on all folds' validation rows together, by the name Keras logs.
        fold_metrics: the same metrics on the validation rows of each fold alone, one value a fold.
        attempt: how often this trial was restarted after its process died.
        stages: how the stages of the recipe went, as far as they were trained.
        thawed_at: the epoch after which it was last taken up again from a pause; 0 for never.
        owner: token of the process that trains or trained it; "" for one that was left to whoever comes next.
    """

    number: int
    state: TrialState
    values: Mapping[str, Value]
    score: float | None = None
    reports: Mapping[int, float] = field(default_factory=dict)
    schedule: Schedule = Schedule()
    seed: int = 0
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    parameters: int = 0
    reason: str = ""
    cause: str = ""
    fold_scores: Sequence[float] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    fold_metrics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    stages: tuple[TrainedStage, ...] = ()
    attempt: int = 0
    thawed_at: int = 0
    owner: str = field(default="", compare=False)

    @property
    def course(self) -> TrainingCourse:
        """What led to the weights that it keeps, to be trained again."""
        led = list(self.stages)
        while led and not led[-1].kept:
            led.pop()
        if not led:
            return TrainingCourse((self.best_epoch,))
        rates = tuple(stage.learning_rates[: stage.kept] for stage in led)
        epochs = tuple(stage.kept for stage in led) if led[0].name else (self.best_epoch,)
        return TrainingCourse(epochs, rates)

    @property
    def is_built(self) -> bool:
        """Whether its values are known; a trial is claimed before its model is built."""
        return self.parameters > 0 or self.state.is_finished


@dataclass(frozen=True)
class PlannedRun:
    """A planned re-training: the hyperparameters of `trial` with the new seed and split of `stage` and `repeat`, which
    all trials share.
    """

    trial: int
    repeat: int
    stage: str


@dataclass(frozen=True)
class FreshRun:
    """A re-training of a finalist, with a new seed and a new split.

    Attributes:
        trial: number of the trial whose hyperparameters were trained.
        repeat: 0, 1 …; runs of one stage with the same repeat share seed and split, so that they can be paired.
        stage: `CHOOSING` or `CONFIRMING`.
        score: objective after the epoch that the search chose for the trial; None for a run that failed.
        best: objective after this run's own best epoch; None for a run that failed.
        seconds: it took.
        reason: why it failed, in one line.
        fold_scores: of each fold, where there are several.
    """

    trial: int
    repeat: int
    stage: str
    score: float | None
    best: float | None
    seconds: float = 0.0
    reason: str = ""
    fold_scores: tuple[float, ...] = ()

    @property
    def planned(self) -> PlannedRun:
        """What was asked for."""
        return PlannedRun(self.trial, self.repeat, self.stage)

    @property
    def parts(self) -> tuple[float, ...]:
        """The scores whose spread estimates the uncertainty of `score`: those of the folds, or `score` alone."""
        if self.score is None:
            return ()
        return self.fold_scores or (self.score,)


def todays_trial(trials: Sequence[Trial], most_epochs: int) -> Trial | None:
    """The trial in which the search chose the epoch of today's configuration; None where it was not trained long enough
    for that: it was pruned, or Hyperband gave it a part of `most_epochs` and did not promote it.
    """
    same = [t for t in trials if t.values == trials[TODAY].values and t.state is TrialState.COMPLETE]
    long_enough = [t for t in same if t.schedule.epochs is None or t.schedule.epochs >= most_epochs]
    return long_enough[-1] if long_enough else None
