"""The task's one builder. Light: Keras is loaded when a model is built, which is in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truetune.space import Value


@dataclass(frozen=True)
class EmotionBuilder:
    """`build(hp)` for data of one shape; call it with a `keras_tuner.HyperParameters`.

    Attributes:
        n_features: features per row.
        heads: output name → number of classes.
    """

    n_features: int
    heads: Mapping[str, int]

    def __call__(self, hp: Any) -> Any:
        from truetune.tasks.eeg_emotion.model import build_model

        return build_model(hp, self.n_features, self.heads)

    def read_back(self, model: Any) -> dict[str, Value]:
        """What `model` really has, by hyperparameter name; compared with what was stated before it trains."""
        from truetune.tasks.eeg_emotion.model import read_back

        return read_back(model)
