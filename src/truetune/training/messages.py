"""The messages between supervisor and worker. Light: importing it loads neither Keras nor KerasTuner."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truetune.data.splitting.protocols import Protocol
from truetune.errors import TruetuneError
from truetune.objective import Objective
from truetune.recipe import FitRecipe
from truetune.space import Hyperparameter, Space, Value
from truetune.task import Preprocessing
from truetune.trial import Decision, Schedule, TrainedStage, TrialState


@dataclass(frozen=True)
class TrainingTask:
    """The part of a `Task` that a worker needs, and how trials are evaluated; travels by value (cloudpickle), so that
    functions of a script or a notebook work without an import guard.
    """

    hypermodel: Any
    objective: Objective
    epochs: int
    patience: int | None
    preprocessing: Callable[[], Preprocessing] | None
    protocol: Protocol = field(default_factory=Protocol)
    seed: int = 0
    fit: FitRecipe = field(default_factory=FitRecipe)


@dataclass(frozen=True)
class Request:
    """Train this trial.

    Attributes:
        number: of the trial.
        seed: of its weights, shuffling and dropout.
        schedule: how long, and what it continues.
        checkpoint: this trial's own file: gone on from where it exists, and written on the way; None for neither.
        load_from: the parent's checkpoint, for a trial without one of its own; None for a fresh model.
        keep: leave a checkpoint at the end, because the trial may be promoted.
        thawed_at: the epoch after which a paused trial is taken up again; 0 for one that was never paused.
        weights: where the weights of its best epoch go, if they are to be kept; None for nowhere.
        keeps_all: whether they are kept even when another trial is better.
        to_beat: the best score so far, for a trial whose weights are kept only where it is not worse.
        split_seed: draws fresh folds of the development rows for this training; None keeps the study's own.
        score_epoch: the score is the objective after this epoch, and patience does not end the training before it;
            None scores the best epoch. Several folds choose their epochs among themselves.
        steps_per_fold: how far apart the reports of two folds are; 0 where there is one fold.
        stage_epochs: the stages before the last of these train so many epochs and hand on their last weights, as they
            did on the way to the weights that are trained again; empty leaves that to the recipe.
    """

    number: int
    seed: int
    schedule: Schedule = field(default_factory=Schedule)
    checkpoint: Path | None = None
    load_from: Path | None = None
    keep: bool = False
    thawed_at: int = 0
    weights: Path | None = None
    keeps_all: bool = False
    to_beat: float | None = None
    split_seed: int | None = None
    score_epoch: int | None = None
    steps_per_fold: int = 0
    stage_epochs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a trial went. `stage` is "build" or "fit"; `traceback` the user's, where an exception ended it; `cause` is
    one of `trial.CAUSES`; `weights_are_best` whether the model in the worker has the weights of its best epoch;
    `best_score` is the objective after the best epoch, where `score` is that of another one; `fold_scores`, `metrics`
    (pooled) and `fold_metrics` (one value a fold), by the names that Keras logs, are of several folds; `stages` are
    those of the recipe, of several folds the ones of the fold whose best epoch is the trial's.
    """

    state: TrialState
    score: float | None = None
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    history: Mapping[str, list[float]] = field(default_factory=dict)
    reason: str = ""
    stage: str = "fit"
    traceback: str = ""
    cause: str = ""
    weights_are_best: bool = False
    best_score: float | None = None
    fold_scores: tuple[float, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    fold_metrics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    stages: tuple[TrainedStage, ...] = ()


@dataclass(frozen=True)
class Timing:
    """What one timed epoch of the default model took."""

    build_seconds: float
    first_epoch_seconds: float
    epoch_seconds: float
    parameters: int


class Declined(TruetuneError):
    """Said to a builder in the middle of its questions: this model is too large, do not build it to its end."""


@dataclass(frozen=True)
class StageBegins:
    """Stage `stage` (0 is the first) of `n_stages` is trained next, for `epochs` epochs at most, after `start` epochs
    of those before it.
    """

    stage: int
    n_stages: int
    name: str
    start: int
    epochs: int


class Host(abc.ABC):
    """The supervisor, as a running trial sees it."""

    @abc.abstractmethod
    def answer(self, hyperparameter: Hyperparameter) -> Value:
        """The value of a hyperparameter that the builder (or `fit`) asks for."""

    @abc.abstractmethod
    def built(self, values: Mapping[str, Value], parameters: int, complete: bool) -> bool:
        """`values` by name are all that the builder used; False: an earlier trial had them, do not train.

        `complete` is False where the user's own `fit` may ask for more.
        """

    @abc.abstractmethod
    def resumed(self, reports: Mapping[int, float]) -> None:
        """Training goes on from a checkpoint; `reports` are the objective by epoch until there."""

    @abc.abstractmethod
    def epoch(self, epoch: int, value: float) -> Decision:
        """The objective after `epoch` (1 is the first; counted on over folds), and what is to become of the trial."""

    @abc.abstractmethod
    def note(self, line: str) -> None:
        """Something that a person should read."""

    def stage_begins(self, begun: StageBegins) -> None:  # noqa: B027  # who counts no stages leaves it out
        """A stage of the recipe is trained next, or goes on."""

    def fold_begins(self, fold: int, n_folds: int) -> Path | None:
        """Fold `fold` of `n_folds` is next. The file with what another worker has trained of it already (one that
        still trains it is waited for); None where nobody has, and now nobody else will.
        """
        return None


# Supervisor to worker


@dataclass(frozen=True)
class Trace:
    """Find out which hyperparameters the builder asks for."""


@dataclass(frozen=True)
class TimeEpoch:
    """Train the default model for two epochs and time them."""


@dataclass(frozen=True)
class TrainFold:
    """Train this fold of a trial that another worker trains, ahead of it, and leave it in `request.checkpoint`."""

    request: Request
    fold: int


@dataclass(frozen=True)
class Reply:
    """To `AskValue` (a value), `Built` (go on?), `Epoch` (a `Decision`) and `FoldBegins` (a path, or None); None to
    `Resumed`, `StageBegins` and `Note`.

    `error` carries a refusal of the supervisor.
    """

    value: Any
    error: Exception | None = None


# Worker to supervisor


@dataclass(frozen=True)
class Ready:
    """The worker has loaded TensorFlow, the task and the data."""

    pid: int


@dataclass(frozen=True)
class AskValue:
    hyperparameter: Hyperparameter


@dataclass(frozen=True)
class Built:
    values: Mapping[str, Value]
    parameters: int
    complete: bool


@dataclass(frozen=True)
class Resumed:
    """Training goes on from a checkpoint that has these reports."""

    reports: Mapping[int, float]


@dataclass(frozen=True)
class FoldBegins:
    fold: int
    n_folds: int


@dataclass(frozen=True)
class Note:
    line: str


@dataclass(frozen=True)
class Epoch:
    epoch: int
    value: float


@dataclass(frozen=True)
class Ended:
    """`outcome` is None when the trial was a duplicate and nothing was trained, and after `TrainFold`. `memory` is
    resident bytes.
    """

    outcome: Outcome | None
    memory: int


@dataclass(frozen=True)
class Traced:
    space: Space


@dataclass(frozen=True)
class Timed:
    timing: Timing


@dataclass(frozen=True)
class Refused:
    """Bad input that no further trial can mend (`SpaceError`, `ObjectiveError`, `BuildError`, …), or a defect."""

    error: Exception
    traceback: str = ""
