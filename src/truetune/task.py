"""What to tune: data, builder, objective, and how it is trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from truetune.errors import InputError
from truetune.objective import Objective, as_objective
from truetune.recipe import FitRecipe

if TYPE_CHECKING:
    from truetune.config.mapping import ConfigMapping
    from truetune.data.dataset import Dataset


@runtime_checkable
class Preprocessing(Protocol):
    """A transformer in scikit-learn's sense: fitted on training rows only, then applied to every part."""

    def fit(self, X: Any, y: Any = None) -> Any: ...

    def transform(self, X: Any) -> Any: ...


def has_own_fit(hypermodel: object) -> bool:
    """Whether its class, rather than KerasTuner's, has a `fit`."""
    owners = [kind for kind in type(hypermodel).__mro__ if "fit" in vars(kind)]
    return bool(owners) and not owners[0].__module__.startswith("keras_tuner")


@dataclass(frozen=True)
class Task:
    """What to tune.

    Attributes:
        name: letters, digits, `_` and `-`; part of the study's name.
        hypermodel: a `build(hp)` function that returns a compiled model, or a `keras_tuner.HyperModel`.
        data: a `Dataset`, or a function that loads one.
        objective: what decides; also a `keras_tuner.Objective`, a pair (name, direction), or the name alone of a metric
            whose direction is certain, such as `val_accuracy`.
        epochs: the most epochs one trial trains, unless the builder tunes `epochs` itself or the recipe has stages,
            whose epochs count then.
        patience: epochs without improvement after which a trial stops early; None trains them all.
        preprocessing: makes a fresh transformer for each fit, e.g. `sklearn.preprocessing.StandardScaler`.
        mapping: how hyperparameters map to keys of `config.py`; None uses upper-case names.
        study_prefix: what study names start with; None uses `name`.
        options: the frozen dataclass that the task was made from (see `truetune.option`). A study is resumed only with
            the same ones; the command sets them.
        fit: callbacks, class weights and stages of every training.
    """

    name: str
    hypermodel: Any
    data: Dataset | Callable[[], Dataset]
    objective: Objective
    epochs: int = 30
    patience: int | None = 8
    preprocessing: Callable[[], Preprocessing] | None = None
    mapping: ConfigMapping | None = field(default=None, compare=False)
    study_prefix: str | None = None
    fit: FitRecipe = field(default_factory=FitRecipe)
    options: Any = None

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "_-" for c in self.name):
            raise InputError(
                f"The task's name is {self.name!r}. Expected letters, digits, '_' and '-' (it becomes a folder name)."
            )
        object.__setattr__(self, "objective", as_objective(self.objective))
        if self.epochs < 1:
            raise InputError(f"epochs={self.epochs} was given. Expected at least 1.")
        if not callable(self.hypermodel) and not callable(getattr(self.hypermodel, "build", None)):
            raise InputError(
                f"hypermodel is {type(self.hypermodel).__name__}. Expected a build(hp) function or a "
                "keras_tuner.HyperModel."
            )
        if not isinstance(self.fit, FitRecipe):
            raise InputError(f"fit is {type(self.fit).__name__}. Expected a truetune.FitRecipe.")
        if self.fit.stages and has_own_fit(self.hypermodel):
            raise InputError(
                f"{type(self.hypermodel).__name__} has a `fit` of its own, and the recipe has stages. Expected one of "
                "the two, since a `fit` of one's own decides itself how the model is trained; remove the other."
            )
        self._warn_of_training_metric()

    def _warn_of_training_metric(self) -> None:
        name = self.objective.name
        if self.objective.is_of_training_rows and not has_own_fit(self.hypermodel):
            warnings.warn(
                f"The objective '{name}' is counted on the rows that the model trains on, so the search rewards "
                f"learning them by heart. Expected 'val_{name}', which is counted on the validation part.",
                UserWarning,
                stacklevel=4,
            )

    def load(self) -> Dataset:
        """The data, loaded if need be and checked.

        Raises:
            InputError: `data` is no Dataset and returns none.
            DataError: it cannot be trained on.
        """
        data = self.data() if callable(self.data) else self.data
        if not callable(getattr(data, "check", None)):
            raise InputError(
                f"The task's data is a {type(data).__name__}. Expected a truetune.Dataset(X, y), or a function that "
                "returns one."
            )
        data.check()
        return data
