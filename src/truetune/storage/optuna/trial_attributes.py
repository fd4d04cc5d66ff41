"""A trial as an Optuna trial holds it: its state, and its own fields as attributes with a checksum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from truetune.storage.optuna.trial_rows import ATTEMPT
from truetune.system.checksum import checksum
from truetune.trial import Schedule, TrainedStage, Trial, TrialState

STATES = {
    TrialState.RUNNING: OptunaState.RUNNING,
    TrialState.PAUSED: OptunaState.WAITING,
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}
_FROM_OPTUNA = {theirs: ours for ours, theirs in STATES.items()}

_FIELDS = (
    "seed",
    "epochs",
    "best_epoch",
    "seconds",
    "parameters",
    "reason",
    "cause",
    "thawed_at",
    "fold_scores",
    "metrics",
    "fold_metrics",
    "stages",
)
_LATER = ("fold_metrics", "stages")
"""Fields that trials of older versions were recorded without; those without a recipe have no stages now either."""

_READ = (*_FIELDS, "attempt", "owner")


def attributes_of(trial: Trial) -> dict[str, Any]:
    """The fields that Optuna has no place of its own for."""
    fields = {name: getattr(trial, name) for name in _FIELDS}
    fold_metrics = {name: list(values) for name, values in trial.fold_metrics.items()}
    stages = [{**asdict(stage), "learning_rates": list(stage.learning_rates)} for stage in trial.stages]
    return {
        **{name: value for name, value in fields.items() if name != "stages"},
        **({"stages": stages} if stages else {}),
        "fold_scores": list(trial.fold_scores),
        "fold_metrics": fold_metrics,
        "schedule": asdict(trial.schedule),
    }


def checksum_of(trial: Trial, attributes: Mapping[str, Any]) -> str:
    """Of all attributes of an ended trial."""
    fields = [name for name in _FIELDS if name in attributes or name not in _LATER]
    names = (*fields, ATTEMPT, "schedule", "hyperparameters", "history")
    return checksum(
        {
            "number": trial.number,
            "state": str(trial.state),
            "values": trial.values,
            "score": trial.score,
            "reports": trial.reports,
            **{name: attributes[name] for name in names},
        }
    )


def from_optuna(frozen: FrozenTrial) -> Trial:
    """The trial that was written; it is not compared with its checksum."""
    attributes = frozen.user_attrs
    known = {name: attributes[name] for name in _READ if name in attributes}
    known["fold_scores"] = tuple(known.get("fold_scores", ()))
    known["fold_metrics"] = {name: tuple(values) for name, values in known.get("fold_metrics", {}).items()}
    known["stages"] = tuple(
        TrainedStage(**{**stage, "learning_rates": tuple(stage["learning_rates"])}) for stage in known.get("stages", ())
    )
    return Trial(
        number=frozen.number,
        state=_FROM_OPTUNA[frozen.state],
        values=dict(frozen.params),
        score=frozen.values[0] if frozen.values else None,
        reports=dict(frozen.intermediate_values),
        schedule=Schedule(**attributes.get("schedule", {})),
        **known,
    )
