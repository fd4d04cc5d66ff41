"""In how many folds a trial is trained, and on which split."""

from __future__ import annotations

from dataclasses import dataclass, replace

from truetune.seeds import derive_seed
from truetune.space import Space
from truetune.study.options import SearchOptions
from truetune.task import Task
from truetune.training.messages import Request
from truetune.trial import STAGES, PlannedRun


@dataclass(frozen=True)
class Evaluation:
    """How each trial is evaluated.

    Attributes:
        n_folds: of a trial.
        epochs: of one fold at most, whatever the trial's values are.
        reshuffle: every trial gets a split of its own.
        seed: the study's.
    """

    n_folds: int = 1
    epochs: int = 1
    reshuffle: bool = False
    seed: int = 0

    @property
    def steps_per_fold(self) -> int:
        """How far apart the reports of two folds are; 0 where there is one fold."""
        return self.epochs if self.n_folds > 1 else 0

    def asked(self, request: Request) -> Request:
        """`request` with what a worker must know of the folds.

        A checkpoint holds one model, and several folds have several: a promoted trial starts from its beginning. Which
        epoch is scored, several folds decide among themselves.
        """
        if self.reshuffle and request.split_seed is None:
            request = replace(request, split_seed=reshuffle_seed(self.seed, request.number))
        if self.n_folds == 1:
            return request
        schedule = replace(request.schedule, initial_epoch=0)
        return replace(
            request,
            steps_per_fold=self.steps_per_fold,
            load_from=None,
            schedule=schedule,
            keep=False,
            weights=None,
            score_epoch=None,
            stage_epochs=(),
        )


def reshuffle_seed(seed: int, number: int) -> int:
    """Draws the split of trial `number`, where every trial has its own."""
    return derive_seed(seed, "reshuffle", number)


def fresh_seed(seed: int, planned: PlannedRun, of: str) -> int:
    """Of the "training" or the "split" of a re-training; the same for all trials, so that they can be paired."""
    return derive_seed(seed, "fresh", planned.stage, planned.repeat, of)


def fresh_split_seeds(options: SearchOptions) -> list[int]:
    """Of all splits that the re-trainings of finalists may have."""
    runs = [PlannedRun(0, repeat, stage) for stage in STAGES for repeat in range(options.fresh_runs)]
    return [fresh_seed(options.seed, run, "split") for run in runs if options.finalists]


def reshuffled_seeds(options: SearchOptions) -> list[int]:
    """Of the splits of single trials, where each has its own."""
    return [reshuffle_seed(options.seed, number) for number in range(options.max_trials) if options.reshuffle]


def most_epochs(task: Task, space: Space) -> int:
    """The most epochs of one fold: of all stages, else the task's, or the upper end of a range that the builder has."""
    if task.fit.stages:
        return task.fit.most_epochs(task.epochs, space)
    entries = [hp for hp in space.entries.values() if hp.name == "epochs"]
    highest = [int(value) for hp in entries for value in (*hp.choices, hp.high) if value is not None]
    return max([task.epochs, *highest])
