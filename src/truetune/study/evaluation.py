"""In how many folds a trial is trained, and on which split."""

from __future__ import annotations

from dataclasses import dataclass, replace

from truetune.seeds import derive_seed
from truetune.space import Space
from truetune.training.protocol import Request


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
            request = replace(request, split_seed=derive_seed(self.seed, "reshuffle", request.number))
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
        )


def most_epochs(epochs: int, space: Space) -> int:
    """The most epochs of one fold: the task's, or the upper end of a range that the builder tunes them in."""
    entries = [hp for hp in space.entries.values() if hp.name == "epochs"]
    highest = [int(value) for hp in entries for value in (*hp.choices, hp.high) if value is not None]
    return max([epochs, *highest])
