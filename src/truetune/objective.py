"""What decides: a logged value, and whether more or less of it is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from truetune.errors import ObjectiveError

Direction = Literal["min", "max"]

_MIN = """
    loss error error_rate mse mae mape msle rmse rmsle wer cer eer nll log_loss logloss perplexity brier brier_score
    binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy crossentropy cross_entropy
    binary_focal_crossentropy categorical_focal_crossentropy kl_divergence kullback_leibler_divergence poisson
    hinge squared_hinge categorical_hinge huber logcosh log_cosh mean_absolute_percentage_error
    mean_squared_logarithmic_error false_positives false_negatives
"""
_MAX = """
    accuracy acc auc prc auroc auprc roc_auc pr_auc precision recall sensitivity specificity uar
    precision_at_recall recall_at_precision sensitivity_at_specificity specificity_at_sensitivity
    f1 f1_score fbeta_score f_beta_score macro_f1 micro_f1 r2 r2_score iou io_u miou mean_iou mean_io_u dice dice_coef
    dice_coefficient dice_score jaccard jaccard_index mcc kappa cohen_kappa psnr ssim bleu ndcg mrr
    true_positives true_negatives
"""
_DIRECTIONS: dict[str, Direction] = {
    **dict.fromkeys(_MIN.split(), "min"),
    **dict.fromkeys(_MAX.split(), "max"),
}
"""By the last words of a name: Keras' metrics as Keras logs them, ours, and those that have one meaning everywhere.

`cosine_similarity` is missing on purpose: Keras' metric of this name is to grow, its loss of this name to fall.
"""

_TURNS_ROUND = {"neg", "negative", "negated", "minus", "inverse", "inverted", "inv", "not", "non"}
"""Words before a metric that may turn its direction round, as in scikit-learn's `neg_mean_squared_error`."""

_NUMBERED = re.compile(r"(_at_\d+|_\d+|\[[^\]]*\])$")
"""What Keras and we append: `auc_1`, `f1_score[0]`; and `recall_at_5`."""


@dataclass(frozen=True)
class Objective:
    """The logged value that decides, as Keras logs it after an epoch: `val_accuracy`, `val_loss`, …"""

    name: str
    direction: Direction

    def __post_init__(self) -> None:
        if self.direction not in ("min", "max"):
            raise ObjectiveError(
                f"The direction of objective '{self.name}' is {self.direction!r}. Expected 'min' or 'max'."
            )
        if not isinstance(self.name, str) or not self.name:
            raise ObjectiveError("The objective has no name. Expected a logged metric such as 'val_accuracy'.")

    @property
    def is_of_training_rows(self) -> bool:
        """Whether it names what Keras counts on the rows that it trains on."""
        return not self.name.startswith("val_")

    def is_better(self, value: float, than: float | None) -> bool:
        """Whether `value` beats `than`; nothing beats a number but a better number, and NaN beats nothing."""
        if not np.isfinite(value):
            return False
        if than is None:
            return True
        return value > than if self.direction == "max" else value < than


def as_objective(value: Any) -> Objective:
    """The objective that a user means.

    Args:
        value: an `Objective`, a `keras_tuner.Objective`, a pair (name, direction), or the name alone of a metric whose
            direction is certain.

    Raises:
        ObjectiveError: it is none of these, or the direction is not certain. It is never guessed, as KerasTuner
            does, which takes `val_f1_score`, `val_r2_score` and `val_binary_io_u` for values that are to fall.
    """
    if isinstance(value, Objective):
        return value
    if isinstance(value, str):
        return Objective(value, _direction_of(value))
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return Objective(value[0], value[1])  # it checks the direction
    name, direction = getattr(value, "name", None), getattr(value, "direction", None)
    if isinstance(name, str) and not hasattr(value, "objectives"):
        return Objective(name, _direction_of(name) if direction is None else direction)
    raise ObjectiveError(
        f"The objective is {_described(value)}. Expected one metric: 'val_accuracy', or "
        "truetune.Objective('val_accuracy', 'max') for a metric of your own."
    )


def certain_direction(name: str) -> Direction | None:
    """Where a metric is to go, by the longest known ending of its name; None if that is not certain."""
    plain = _NUMBERED.sub("", name.lower().removeprefix("val_"))
    words = plain.split("_")
    for first in range(len(words)):
        direction = _DIRECTIONS.get("_".join(words[first:]))
        if direction is not None:
            return None if _TURNS_ROUND & set(words[:first]) else direction
    return None


def _direction_of(name: str) -> Direction:
    direction = certain_direction(name)
    if direction is None and name:
        raise ObjectiveError(
            f"Whether more or less of '{name}' is better cannot be told from its name. Expected the direction: "
            f"truetune.Objective({name!r}, 'max') if more is better, truetune.Objective({name!r}, 'min') if less is."
        )
    return direction or "max"


def _described(value: Any) -> str:
    if isinstance(value, (list, tuple)) or hasattr(value, "objectives"):
        return f"several values or no pair of two texts ({type(value).__name__})"
    return f"of type {type(value).__name__}"
