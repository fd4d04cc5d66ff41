"""The winner of a search as a model that takes raw rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.sealing.identified import IdentifiedData
from truetune.data.splitting.protocols import PROTOCOLS, Protocol
from truetune.errors import InputError
from truetune.hyperparameters import HyperParameters
from truetune.space import Value
from truetune.task import Preprocessing, Task
from truetune.training.fit import fit_preprocessing
from truetune.training.logged import numbers
from truetune.training.rows import x_y_weights
from truetune.trial import Trial
from truetune.verification.retrain import build_with, train_final
from truetune.verification.search_seal import SealPlace

RETRAIN = "`result.retrain()` trains the winner on all rows that are not sealed."


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with the preprocessing that was fitted for it.

    Attributes:
        model: the Keras model; it takes prepared rows.
        values: the hyperparameters that it was built with, by name.
        transformers: the fitted preprocessing by input name ("" for a single input); empty without one.
    """

    model: Any
    values: Mapping[str, Value]
    transformers: Mapping[str, Preprocessing] = field(default_factory=dict, repr=False)

    def prepared(self, X: Any) -> Any:
        """Raw rows as `model` takes them."""
        if not self.transformers:
            return X
        if isinstance(X, Mapping):
            return {name: np.asarray(self.transformers[name].transform(values)) for name, values in X.items()}
        return np.asarray(self.transformers[""].transform(X))

    def predict(self, X: Any, **options: Any) -> Any:
        """What `model` predicts for raw rows; `options` are those of `keras.Model.predict`, which is silent here."""
        return self.model.predict(self.prepared(X), **{"verbose": 0, **options})

    def evaluate(self, X: Any, y: Any, **options: Any) -> dict[str, float]:
        """The compiled metrics on raw rows, by name; `options` are those of `keras.Model.evaluate`."""
        return numbers(self.model.evaluate(self.prepared(X), y, **{"verbose": 0, **options, "return_dict": True}))


@dataclass(frozen=True)
class Winner:
    """A trial, and what it was trained on.

    Attributes:
        task: with its data loaded.
        trial: the winner.
        values: its hyperparameters, by name.
        seal: the file that seals the test part.
        meta: the study's record.
    """

    task: Task
    trial: Trial
    values: Mapping[str, Value]
    seal: Path
    meta: Mapping[str, Any]

    def hp(self) -> Any:
        """A `keras_tuner.HyperParameters` with what the builder declares and the winner's values."""
        return HyperParameters.from_config(build_with(self.task, self.values)[1].get_config())

    def trained(self, weights: Path) -> TrainedModel:
        """The trial's own model.

        Its preprocessing is fitted again on the same training rows, and the recorded score is reproduced before the
        model is given away.

        Raises:
            InputError: trials were trained on several folds, or the score is another one than recorded.
        """
        train, validation = self._parts()
        fitted = fit_preprocessing(self.task.preprocessing, train)
        model = build_with(self.task, self.values)[0]
        with warnings.catch_warnings():
            # The file holds the optimizer's variables too, which a model that has not trained lacks.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            model.load_weights(weights)
        self._check_score(model, fitted(validation)[0])
        return TrainedModel(model, dict(self.values), fitted.transformers)

    def retrained(self, seed: int) -> TrainedModel:
        """Trained anew on all rows that are not sealed."""
        course = self.trial.course
        final = train_final(self.task, self._development(), self.values, course.total, seed, course)
        return TrainedModel(final.model, dict(self.values), final.transformers)

    def _development(self) -> Dataset:
        dataset = self.task.load()
        return SealPlace(IdentifiedData(dataset), self.seal, int(self.meta["seed"])).open().development(dataset)

    def _parts(self) -> tuple[Dataset, Dataset]:
        name = self.meta["protocol"]["name"]
        if self.meta["protocol"].get("reshuffle"):
            raise InputError(f"Every trial of this study had a validation part of its own (reshuffle=True). {RETRAIN}")
        if name not in PROTOCOLS or name == "k-fold":
            raise InputError(
                f"The trials of this study are the mean of several folds (protocol {name!r}), so there is no one "
                f"model that has the recorded score. {RETRAIN}"
            )
        development = self._development()
        folds = Protocol.of(name).folds(development, int(self.meta["seed"]))
        if len(folds) != 1:
            raise InputError(f"Each trial of this study trained {len(folds)} models, one a fold. {RETRAIN}")
        return development.take(folds[0].train), development.take(folds[0].validation)

    def _check_score(self, model: Any, validation: Dataset) -> None:
        x, y, *weights = x_y_weights(validation)
        logs = numbers(model.evaluate(x, y, sample_weight=next(iter(weights), None), verbose=0, return_dict=True))
        score, recorded = logs.get(self.task.objective.name.removeprefix("val_")), self.trial.score
        if score is None or recorded is None:  # a `fit` of one's own counts it
            return
        if not math.isclose(score, recorded, rel_tol=1e-4, abs_tol=1e-5):
            raise InputError(
                f"The kept model of trial {self.trial.number} scores {score:.6g} on the validation part, where "
                f"{recorded:.6g} is recorded: its builder, preprocessing or metric has changed since, or is random. "
                f"{RETRAIN}"
            )
