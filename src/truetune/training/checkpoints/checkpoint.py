"""A model, its optimizer and its progress in one file, so that training can go on later. Nothing is pickled.

The file is a line that names the format, a line with the SHA-256 of all that follows, and an `.npz`: a file that was
cut short or changed in a single bit is found out before anything of it is used.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Array
from truetune.errors import StudyError
from truetune.system.checksum import with_digest, without_digest
from truetune.system.files import write_atomically
from truetune.training.checkpoints import callback_state
from truetune.training.fit import History
from truetune.training.folds.pooled import State

MAGIC = b"truetune checkpoint 3\n"


@dataclass
class EndedFold:
    """A fold that is trained to its end.

    Attributes:
        epochs, best_epoch: trained, and the best of them.
        reports: objective by epoch.
        states: what the metrics counted on the validation rows, element e of epoch e + 1; empty where it is unknown.
        stages: how its stages went, as `Progress.stages_so_far`.
    """

    epochs: int
    best_epoch: int
    reports: dict[int, float]
    states: list[State] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Progress:
    """Where training stands after an epoch.

    Attributes:
        fold: the fold that is trained, 0 is the first; what follows is of this fold.
        epoch: epochs trained, those of parents included.
        best_score, best_epoch: of the best epoch so far; None and 0 before the first.
        wait: epochs since the best one of the stage, which early stopping counts.
        best_weights: `model.get_weights()` of that epoch.
        reports: objective by epoch, of this trial alone.
        history: logged values per epoch, of this trial alone.
        states: what the metrics counted on the validation rows in each epoch; kept where there are several folds.
        stage: the stage that is trained, 0 is the first; a training without stages has one.
        stage_start: epochs before it.
        stage_score, stage_best_epoch: of its own best epoch so far.
        stage_weights: of that epoch, where it is not the best of all.
        stopped: a callback ended the stage after `epoch`.
        trained, kept: epochs of each stage before this one: all, and those that led to what the next one began with.
        best_stages: epochs of each stage that led to the best weights.
        rates: learning rate of every epoch so far, those of parents included; empty without a recipe.
        callbacks: their states, while the stage is trained.
        digests: of every weight when the stage began.
        ended: the folds before this one.
        seconds: training time of this trial so far.
        pruned, paused: what the searcher decided after `epoch`.
        owner: what the trial is (seed and values, and the fold of a file trained ahead); a file of another one is not
            gone on from.
    """

    fold: int = 0
    epoch: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    wait: int = 0
    best_weights: list[Array] = field(default_factory=list)
    reports: dict[int, float] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    stage: int = 0
    stage_start: int = 0
    stage_score: float | None = None
    stage_best_epoch: int = 0
    stage_weights: list[Array] = field(default_factory=list)
    stopped: bool = False
    trained: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    best_stages: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    callbacks: list[Any] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    ended: list[EndedFold] = field(default_factory=list)
    seconds: float = 0.0
    pruned: bool = False
    paused: bool = False
    owner: Mapping[str, Any] = field(default_factory=dict)

    def step(self, steps_per_fold: int, epoch: int | None = None) -> int:
        """The epoch as it is reported: counted on over folds."""
        return self.fold * steps_per_fold + (self.epoch if epoch is None else epoch)

    def all_reports(self, steps_per_fold: int) -> dict[int, float]:
        """The objective of every fold so far, by step."""
        folds = [*(fold.reports for fold in self.ended), self.reports]
        return {i * steps_per_fold + epoch: value for i, fold in enumerate(folds) for epoch, value in fold.items()}

    def log(self, values: Mapping[str, float]) -> None:
        """What was logged after an epoch; NaN stands for what was not logged in it, but was in another."""
        before = max(map(len, self.history.values()), default=0)
        for name in [*self.history, *(name for name in values if name not in self.history)]:
            logged = self.history.setdefault(name, [math.nan] * before)
            logged.append(values.get(name, math.nan))

    def record(self, epoch: int, value: float, is_better: Callable[[float, float | None], bool]) -> bool:
        """The objective after `epoch`, and whether it is the best so far, so that `keep_weights` is to be called."""
        self.reports[epoch] = value
        self.wait += 1
        is_best_of_stage, is_best = is_better(value, self.stage_score), is_better(value, self.best_score)
        if is_best_of_stage:
            self.stage_score, self.stage_best_epoch, self.wait = value, epoch, 0
        if is_best:
            self.best_score, self.best_epoch = value, epoch
            self.best_stages = [*self.kept, epoch - self.stage_start]
        return is_best_of_stage or is_best

    def keep_weights(self, weights: list[Array]) -> None:
        """Those of the epoch just recorded, which is the best of its stage or of all."""
        if self.epoch == self.best_epoch:
            self.best_weights, self.stage_weights = weights, []
        else:
            self.stage_weights = weights

    @property
    def best_of_stage(self) -> list[Array]:
        """The weights of its best epoch; empty before it has one."""
        if not self.stage_best_epoch:
            return []
        return self.stage_weights or self.best_weights

    def next_stage(self, from_best: bool) -> None:
        """Nothing is trained of the next stage, which begins with the best weights of this one, or with the last."""
        self.trained.append(self.epoch - self.stage_start)
        is_best = from_best and self.stage_best_epoch
        self.kept.append((self.stage_best_epoch if is_best else self.epoch) - self.stage_start)
        self.stage, self.stage_start = self.stage + 1, self.epoch
        self.stage_score, self.stage_best_epoch, self.wait, self.stopped = None, 0, 0, False
        self.stage_weights, self.callbacks, self.digests = [], [], []

    def stages_so_far(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Of each stage that has begun: its name, epochs, those that led to the best weights, and learning rates."""
        found: list[dict[str, Any]] = []
        rates = list(self.rates)
        for number, (name, epochs) in enumerate(
            zip(names, [*self.trained, self.epoch - self.stage_start], strict=False)
        ):
            kept = self.best_stages[number] if number < len(self.best_stages) else 0
            found.append({"name": name, "epochs": epochs, "kept": kept, "learning_rates": rates[:epochs]})
            rates = rates[epochs:]
        return found

    def next_fold(self, ended: EndedFold) -> None:
        """Put the fold that is trained aside; nothing is trained of the next one."""
        self.ended.append(ended)
        self.fold += 1
        self.begin_fold()

    def begin_fold(self) -> None:
        """Nothing is trained of this fold."""
        self.epoch, self.best_score, self.best_epoch, self.wait = 0, None, 0, 0
        self.best_weights, self.reports, self.history, self.states = [], {}, {}, []
        self.pruned = self.paused = self.stopped = False
        self.stage, self.stage_start, self.stage_score, self.stage_best_epoch = 0, 0, None, 0
        self.stage_weights, self.trained, self.kept, self.best_stages = [], [], [], []
        self.rates, self.callbacks, self.digests = [], [], []


def save_checkpoint(path: Path, model: Any, progress: Progress) -> None:
    """Write all variables of model (dropout's seed states included) and optimizer, and `progress`, atomically.

    The optimizer's variables hold its learning rate, so one that a callback lowered stays lowered.

    Raises:
        StorageError: the disk is full or read-only.
    """
    model.optimizer.build(model.trainable_variables)
    arrays = {f"model_{i}": np.asarray(v) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(model.optimizer.variables)}
    arrays |= {f"best_{i}": w for i, w in enumerate(progress.best_weights)}
    arrays |= {f"stagebest_{i}": w for i, w in enumerate(progress.stage_weights)}
    arrays |= _stacked("state", progress.states)
    of_callbacks: dict[str, Array] = {}
    callbacks = callback_state.packed(progress.callbacks, of_callbacks, "callback")
    arrays |= of_callbacks
    for i, fold in enumerate(progress.ended):
        arrays |= _stacked(f"fold{i}", fold.states)
    numbers = {name: value for name, value in vars(progress).items() if name not in _IN_ARRAYS}
    numbers["callbacks"] = callbacks
    numbers["ended"] = [{k: v for k, v in vars(fold).items() if k != "states"} for fold in progress.ended]
    arrays["progress"] = np.frombuffer(json.dumps(numbers).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, with_digest(MAGIC, buffer.getbuffer()), make_folder=True)


def load_checkpoint(
    path: Path,
    model: Any,
    owner: Mapping[str, Any] | None = None,
    prepare: Callable[[int], None] = lambda stage: None,
) -> Progress:
    """Put the saved state into a freshly built `model` of the same shape. After an error, its variables are as before.

    Args:
        path: the file.
        model: compiled; its optimizer may be unbuilt.
        owner: what `Progress.owner` must be; None takes every trial's file, as a promotion takes its parent's.
        prepare: makes `model` ready for a stage, which decides what variables its optimizer has.

    Raises:
        StudyError: the file is damaged, or belongs to another model or trial.
    """
    try:
        with np.load(io.BytesIO(without_digest(MAGIC, path.read_bytes())), allow_pickle=False) as saved:
            progress = _progress(saved)
            values = [*_numbered(saved, "model"), *_numbered(saved, "optimizer")]
        if owner is not None and progress.owner != owner:
            raise ValueError(f"it belongs to a trial with {progress.owner}, not {dict(owner)}")
        prepare(progress.stage)
        model.optimizer.build(model.trainable_variables)
        _assign([*model.variables, *model.optimizer.variables], values)
        return progress
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise StudyError(
            f"The checkpoint {path} cannot be loaded ({error}). Remove it; the trial is then trained from its start."
        ) from error


def size_in_bytes(model: Any, progress: Progress) -> int:
    """What a checkpoint of them takes, to within its small parts."""
    variables = [*model.variables, *model.optimizer.variables]
    return sum(int(np.prod(v.shape)) * 4 for v in variables) + sum(
        w.nbytes for w in [*progress.best_weights, *progress.stage_weights]
    )


def as_parent(progress: Progress, owner: Mapping[str, Any]) -> Progress:
    """What the promoted trial `owner` takes over: the training, without its parent's own record."""
    return Progress(**{name: getattr(progress, name) for name in (*_BEST, *_STAGE)}, owner=owner)


def follow(progress: Progress, other: Progress, epoch: int) -> None:
    """Bring `progress` into the stage in which `other` trained `epoch`."""
    while progress.stage < other.stage and epoch > progress.stage_start + other.trained[progress.stage]:
        progress.epoch = progress.stage_start + other.trained[progress.stage]
        kept = other.kept[progress.stage]
        progress.next_stage(from_best=False)
        progress.kept[-1] = kept


def go_on_as(progress: Progress, other: Progress) -> None:
    """`progress` has the reports of `other`, and goes on where that stands in its stages."""
    for name in (*_STAGE, "best_stages"):
        setattr(progress, name, getattr(other, name))


_BEST = ("epoch", "best_score", "best_epoch", "best_weights", "best_stages")
_STAGE = (
    "wait",
    "stage",
    "stage_start",
    "stage_score",
    "stage_best_epoch",
    "stage_weights",
    "stopped",
    "trained",
    "kept",
    "rates",
    "callbacks",
    "digests",
)
_IN_ARRAYS = ("best_weights", "stage_weights", "states", "ended", "callbacks")


def _progress(saved: Any) -> Progress:
    numbers = json.loads(saved["progress"].tobytes())
    numbers["reports"] = _by_epoch(numbers["reports"])
    numbers["ended"] = [
        EndedFold(**{**fold, "reports": _by_epoch(fold["reports"])}, states=_unstacked(saved, f"fold{i}"))
        for i, fold in enumerate(numbers["ended"])
    ]
    numbers["callbacks"] = callback_state.unpacked(numbers["callbacks"], saved)
    return Progress(
        **numbers,
        best_weights=_numbered(saved, "best"),
        stage_weights=_numbered(saved, "stagebest"),
        states=_unstacked(saved, "state"),
    )


def _by_epoch(reports: Mapping[str, float]) -> dict[int, float]:
    return {int(epoch): value for epoch, value in reports.items()}


def _stacked(kind: str, states: list[State]) -> dict[str, Array]:
    """One array a variable, the epochs along its first axis."""
    return {f"{kind}_{i}": np.stack(values) for i, values in enumerate(zip(*states, strict=True))}


def _unstacked(saved: Any, kind: str) -> list[State]:
    stacked = _numbered(saved, kind)
    return [[variable[epoch] for variable in stacked] for epoch in range(len(stacked[0]))] if stacked else []


def _numbered(saved: Any, kind: str) -> list[Array]:
    """All arrays of that kind: a file of a larger model is not taken for one of this."""
    return [saved[f"{kind}_{i}"] for i in range(sum(name.startswith(f"{kind}_") for name in saved.files))]


def _assign(variables: Iterable[Any], values: list[Array]) -> None:
    """All or nothing, so that training from the start is possible with the same model afterwards."""
    pairs = list(zip(variables, values, strict=True))
    for variable, value in pairs:
        expected = np.asarray(variable)
        if (expected.shape, expected.dtype) != (value.shape, value.dtype):
            raise ValueError(
                f"a variable of shape {expected.shape}, {expected.dtype}, has shape {value.shape}, {value.dtype}, in it"
            )
    for variable, value in pairs:
        variable.assign(value)
