"""A model from its builder and the values of its hyperparameters."""

from __future__ import annotations

from typing import Any

import keras

from truetune.data.dataset import Dataset
from truetune.errors import InputError
from truetune.recipe import FitRecipe
from truetune.training.building.first_call import show_rows
from truetune.training.fit import fits_plainly
from truetune.training.recipe import ask_all
from truetune.training.stages import Stages, planned_stages


def build(hypermodel: Any, hp: Any, recipe: FitRecipe, rows: Dataset | None = None) -> Any:
    """The compiled model; `hp` was asked for all that builder and recipe want to know.

    Args:
        hypermodel: a `build(hp)` function or a `keras_tuner.HyperModel`.
        hp: answers it.
        recipe: of the training.
        rows: preprocessed, as the model will be trained on them; a model without an input layer is shown some. None
            leaves it without weights.

    Raises:
        TypeError: the builder returned something else.
        InputError: a stage has nothing to train, a callbacks function returned something else, or the model has a `fit`
            of its own and the recipe has stages.
        SpaceError: the epochs of a stage are unknown.
    """
    model = _declare_and_build(hypermodel, hp)
    if rows is not None:
        show_rows(model, rows)
    ask_all(recipe, hp)
    if recipe.stages:
        if not fits_plainly(hypermodel, model):
            raise InputError(
                f"{type(model).__name__} has a `fit` of its own, and the recipe has stages. Expected a model that "
                "Keras trains; put what is special into `train_step`, or leave out the stages."
            )
        Stages(model, planned_stages(recipe, hp, None), hp, 0).rehearse()
    return model


def build_model(hypermodel: Any, hp: Any) -> Any:
    """The compiled model of a `build(hp)` function or a `keras_tuner.HyperModel`."""
    build = getattr(hypermodel, "build", None) or hypermodel
    return build(hp)


def _declare_and_build(hypermodel: Any, hp: Any) -> Any:
    """The model, after the hypermodel has named hyperparameters that it does not ask for while building. Raises
    TypeError.
    """
    declare = getattr(hypermodel, "declare_hyperparameters", None)
    if declare is not None:
        declare(hp)
    model = build_model(hypermodel, hp)
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"The builder returned {type(model).__name__}. Expected a compiled keras.Model; end it with `return model`."
        )
    return model
