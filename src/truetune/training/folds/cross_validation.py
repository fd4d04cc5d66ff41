"""Several folds of one trial: the same model from the same start for each, and one score for all of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from truetune.data.dataset import Array
from truetune.objective import Objective
from truetune.training.checkpoints.checkpoint import EndedFold
from truetune.training.folds.pooled import State, added, metrics_of
from truetune.training.folds.source import Folds
from truetune.training.messages import Outcome
from truetune.trial import TrainedStage, TrialState


@dataclass(frozen=True)
class Snapshot:
    """All variables of a freshly built model and its optimizer, to begin every fold from."""

    variables: tuple[Array, ...]

    @classmethod
    def of(cls, model: Any) -> Snapshot:
        model.optimizer.build(model.trainable_variables)
        return cls(tuple(np.asarray(variable).copy() for variable in _variables(model)))

    def put_back(self, model: Any) -> None:
        """The compiled graph stays, which costs seconds to trace."""
        for variable, value in zip(_variables(model), self.variables, strict=True):
            variable.assign(value)


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def scored_epochs(folds: Sequence[EndedFold]) -> list[int]:
    """The epoch at which each fold is scored: the median of the *other* folds' best epochs, as far as it was trained.

    A fold's own best epoch is chosen on the very rows it is scored on, which flatters the score.
    """
    if len(folds) == 1:
        return [folds[0].best_epoch]
    best = [fold.best_epoch for fold in folds]
    others = [statistics.median_low([*best[:i], *best[i + 1 :]]) for i in range(len(folds))]
    return [min(epoch, fold.epochs) for epoch, fold in zip(others, folds, strict=True)]


def outcome_of(
    model: Any, ended: Sequence[EndedFold], folds: Folds, objective: Objective, state: TrialState
) -> Outcome:
    """The trial's outcome: the metrics of all folds' validation rows together, each fold at its scored epoch.

    Where the objective is no metric of the model (a `fit` of the user's own computes it), the mean of the folds'
    values is taken, weighted by their validation rows.
    """
    scored, best = scored_epochs(ended), [fold.best_epoch for fold in ended]
    metrics, name = _pooled(model, ended, scored), objective.name.removeprefix("val_")
    if name in metrics:
        score, best_score = metrics[name], _pooled(model, ended, best)[name]
    else:
        score, best_score = (_weighted_mean(ended, epochs, folds) for epochs in (scored, best))
    return Outcome(
        state,
        score,
        epochs=sum(fold.epochs for fold in ended),
        best_epoch=statistics.median_low(best),
        stages=trained_stages(next(f for f in ended if f.best_epoch == statistics.median_low(best)).stages),
        best_score=best_score,
        fold_scores=tuple(fold.reports[epoch] for fold, epoch in zip(ended, scored, strict=True)),
        metrics=metrics,
        fold_metrics=_of_each(model, ended, scored) if metrics else {},
    )


def trained_stages(recorded: Sequence[Mapping[str, Any]]) -> tuple[TrainedStage, ...]:
    """From `Progress.stages_so_far`."""
    return tuple(TrainedStage(**{**stage, "learning_rates": tuple(stage["learning_rates"])}) for stage in recorded)


def _weighted_mean(ended: Sequence[EndedFold], epochs: Sequence[int], folds: Folds) -> float:
    values = [fold.reports[epoch] for fold, epoch in zip(ended, epochs, strict=True)]
    return float(np.average(values, weights=folds.validation_sizes[: len(ended)]))


def _pooled(model: Any, folds: Sequence[EndedFold], epochs: Sequence[int]) -> dict[str, float]:
    """Empty where what the metrics counted is not known of every fold."""
    if not all(len(fold.states) >= epoch for fold, epoch in zip(folds, epochs, strict=True)):
        return {}
    return metrics_of(model, added(_states(folds, epochs)))


def _of_each(model: Any, folds: Sequence[EndedFold], epochs: Sequence[int]) -> dict[str, tuple[float, ...]]:
    """Every metric on each fold's validation rows alone."""
    found = [metrics_of(model, state) for state in _states(folds, epochs)]
    return {name: tuple(metrics[name] for metrics in found) for name in found[0]}


def _states(folds: Sequence[EndedFold], epochs: Sequence[int]) -> list[State]:
    return [fold.states[epoch - 1] for fold, epoch in zip(folds, epochs, strict=True)]
