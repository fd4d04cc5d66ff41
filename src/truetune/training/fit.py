"""Build a model, prepare its data, fit it: the same few lines for trials, retraining and verification."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from truetune.data.dataset import Dataset, named
from truetune.errors import DataError, ObjectiveError
from truetune.task import Preprocessing
from truetune.training.logged import numbers
from truetune.training.rows import OrderedRows, x_y_weights

History = dict[str, list[float]]

DEFAULT_BATCH_SIZE = 32


def seed_everything(seed: int) -> None:
    """Python's, NumPy's and Keras' generators."""
    random.seed(seed)
    keras.utils.set_random_seed(seed)


def preprocess(make: Callable[[], Preprocessing] | None, train: Dataset, *others: Dataset) -> list[Dataset]:
    """`train` and `others` transformed by one transformer per input, fitted on the rows of `train` alone."""
    return fit_preprocessing(make, train)(train, *others)


@dataclass(frozen=True)
class FittedPreprocessing:
    """Transforms datasets; `transformers` by input name ("" for a single input) were fitted, none changes nothing."""

    transformers: Mapping[str, Preprocessing]

    def __call__(self, *parts: Dataset) -> list[Dataset]:
        return [_transformed(part, self.transformers) for part in parts]


def fit_preprocessing(make: Callable[[], Preprocessing] | None, train: Dataset) -> FittedPreprocessing:
    """Transforms datasets with what was fitted on `train`'s rows."""
    if make is None:
        return FittedPreprocessing({})
    transformers = {name: make() for name in named(train.X)}
    for name, transformer in transformers.items():
        transformer.fit(named(train.X)[name])
    return FittedPreprocessing(transformers)


def _transformed(part: Dataset, transformers: Mapping[str, Preprocessing]) -> Dataset:
    if not transformers:
        return part
    arrays = {name: np.asarray(t.transform(named(part.X)[name])) for name, t in transformers.items()}
    return replace(part, X=arrays if isinstance(part.X, Mapping) else arrays[""])


def overrides_fit(hypermodel: Any) -> bool:
    """Whether the user wrote a `fit` of their own, which may ask `hp` for more."""
    import keras_tuner as kt

    return isinstance(hypermodel, kt.HyperModel) and type(hypermodel).fit is not kt.HyperModel.fit


def fits_plainly(hypermodel: Any, model: Any) -> bool:
    """Whether Keras' own `fit` trains this model, so that training is the same whether it is interrupted or not."""
    return not overrides_fit(hypermodel) and getattr(model.fit, "__func__", None) is keras.Model.fit


def planned_epochs(hp: Any, epochs: int) -> int:
    """The builder's own `epochs`, where it tunes them."""
    return int(hp.values.get("epochs", epochs))


def fit_model(
    hypermodel: Any,
    hp: Any,
    model: Any,
    train: Dataset,
    validation: Dataset | None,
    *,
    epochs: int,
    seed: int,
    initial_epoch: int = 0,
    callbacks: Sequence[Any] = (),
) -> History:
    """Fit `model` for `epochs` (cumulative) with the batch size of `hp`.

    The order of rows follows from `seed` and the epoch, so that an epoch can be repeated (see `rows`). A
    `HyperModel.fit` of the user's own gets arrays, and the same arguments as under KerasTuner, so `batch_size` is
    left to it; a model class with a `fit` of its own gets arrays too. What these do between epochs is unknown, so
    they cannot be taken up again inside: a killed one starts from its beginning, with the same seed.

    Weights of the rows go to `sample_weight`, and into `validation_data` as a third part, as Keras takes them.

    Returns:
        The logged values per epoch. A `fit` that returns a number counts as one epoch of `default_objective`.

    Raises:
        DataError: the rows have weights, and a `fit` of the user's own takes none.
    """
    arguments: dict[str, Any] = {"epochs": epochs, "initial_epoch": initial_epoch, "verbose": 0}
    if validation is not None:
        arguments["validation_data"] = x_y_weights(validation)
    if not fits_plainly(hypermodel, model):
        arguments |= _sample_weight(train, hypermodel if overrides_fit(hypermodel) else model)
    if overrides_fit(hypermodel):
        arguments["callbacks"] = list(callbacks)
        return as_history(hypermodel.fit(hp, model, _given(train.X), _given(train.y), **arguments))
    batch_size = int(hp.values.get("batch_size", DEFAULT_BATCH_SIZE))
    if not fits_plainly(hypermodel, model):
        arguments |= {"callbacks": list(callbacks), "batch_size": batch_size}
        return as_history(model.fit(_given(train.X), _given(train.y), **arguments))
    rows = OrderedRows(train, batch_size, seed)
    arguments |= {"callbacks": [rows, *callbacks], "validation_batch_size": batch_size, "shuffle": False}
    return as_history(model.fit(rows.batches, **arguments))


def as_history(result: Any) -> History:
    """What a user's `fit` may return, as KerasTuner allows: a History, a dict, a number, or a list of these."""
    if isinstance(result, (list, tuple)):
        histories = [as_history(item) for item in result]
        return {name: [float(np.mean([h[name][-1] for h in histories]))] for name in histories[0]}
    if hasattr(result, "history"):
        return _each_epoch(result.history)
    if isinstance(result, Mapping):
        return {name: [value] for name, value in numbers(result).items()}
    if isinstance(result, (int, float, np.number)):
        return {"default_objective": [float(result)]}
    raise ObjectiveError(
        f"HyperModel.fit returned {type(result).__name__}. Expected a keras History, a dict of metrics, or a number; "
        "end it with `return model.fit(...)`."
    )


def _each_epoch(logged: Mapping[str, Sequence[Any]]) -> History:
    history: History = {}
    for name, values in logged.items():
        for logs in values:
            for key, value in numbers({name: logs}).items():
                history.setdefault(key, []).append(value)
    return history


def _sample_weight(train: Dataset, owner: Any) -> dict[str, Any]:
    """The keyword for a `fit` that is not Keras' own: empty without weights. Raises DataError."""
    if train.weights is None:
        return {}
    parameters = inspect.signature(owner.fit).parameters.values()
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise DataError(
            f"The training rows have weights (sample_weight, or class_weight of the recipe), and "
            f"{type(owner).__name__}.fit takes no sample_weight: it would train all rows alike. Expected "
            "`sample_weight=None` or `**kwargs` among its arguments, passed on to Keras' fit; or rows without weights."
        )
    return {"sample_weight": _given(train.weights)}


def _given(arrays: Any) -> Any:
    """Plain arrays or a plain dict, as Keras expects them."""
    return dict(arrays) if isinstance(arrays, Mapping) else arrays
