"""What a recipe may hold: refused at once, where it is written, rather than in the middle of a search."""

from __future__ import annotations

import numpy as np
import pytest

import truetune
from truetune.errors import InputError, SpaceError
from truetune.space import Hyperparameter, Space


def build(hp):
    raise AssertionError("nothing is built here")


def task(**changes):
    data = truetune.Dataset(np.zeros((4, 2)), np.zeros(4))
    return truetune.Task("t", changes.pop("hypermodel", build), data, truetune.Objective("val_loss", "min"), **changes)


def test_a_task_without_a_recipe_has_a_plain_one():
    assert task().fit == truetune.FitRecipe()
    assert not task().fit.changes_training


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: truetune.FitRecipe(callbacks=[]), r"write callbacks=lambda hp: \[\.\.\.\]"),
        (lambda: truetune.FitRecipe(stages=["head"]), "list of truetune.Stage"),
        (lambda: truetune.FitRecipe(stages=[truetune.Stage("a", 1), truetune.Stage("a", 2)]), "a name of its own"),
        (lambda: truetune.FitRecipe(class_weight="balance"), "Expected 'balanced'"),
        (lambda: truetune.FitRecipe(class_weight={"a": 1.0}), "by class number"),
        (lambda: truetune.FitRecipe(class_weight={0: -1.0}), "by class number"),
        (lambda: truetune.Stage("", 1), "such as 'head'"),
        (lambda: truetune.Stage("head", 0), "at least 1"),
        (lambda: truetune.Stage("head", -2), "at least 1"),
        (lambda: truetune.Stage("head", True), "name of a hyperparameter"),
        (lambda: truetune.Stage("head", 1.5), "name of a hyperparameter"),
        (lambda: truetune.Stage("head", 1, prepare="freeze"), r"prepare\(model, hp\)"),
        (lambda: truetune.Stage("head", 1, start_from="first"), "'best' or 'last'"),
        (lambda: truetune.Stage("head", 1, patience=0), "at least 1"),
        (lambda: truetune.Stage("head", 1, callbacks=["x"]), r"lambda hp: \[\.\.\.\]"),
        (lambda: truetune.freeze(), r"freeze\('backbone'\)"),
        (lambda: task(fit="balanced"), "truetune.FitRecipe"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_the_epochs_of_a_stage_may_be_a_hyperparameter():
    stage = truetune.Stage("head", "head_epochs")
    assert stage.epochs_of({"head_epochs": 3}) == 3
    assert stage.epochs_of({"head_epochs": 0}) == 0
    with pytest.raises(SpaceError, match=r"Stage 'head'.*'head_epochs'.*nobody asked for. Known: lr, units"):
        stage.epochs_of({"units": 3, "lr": 0.1})
    for value in (-1, 2.5, "3", True):
        with pytest.raises(SpaceError, match="Expected an integer of at least 0"):
            stage.epochs_of({"head_epochs": value})


def test_the_most_epochs_are_those_of_all_stages():
    space = Space()
    space.add(Hyperparameter("Int", "head_epochs", 2, low=1, high=9))
    stages = [truetune.Stage("head", "head_epochs"), truetune.Stage("all", 4)]
    assert truetune.FitRecipe(stages=stages).most_epochs(30, space) == 13
    assert truetune.FitRecipe().most_epochs(30, space) == 30


def test_a_fit_of_ones_own_and_stages_exclude_each_other():
    class Own:
        def build(self, hp):
            raise AssertionError

        def fit(self, hp, model, *args, **kwargs):
            raise AssertionError

    recipe = truetune.FitRecipe(stages=[truetune.Stage("head", 1)])
    with pytest.raises(InputError, match="has a `fit` of its own, and the recipe has stages"):
        task(hypermodel=Own(), fit=recipe)
    assert task(hypermodel=Own(), fit=truetune.FitRecipe(class_weight="balanced"))


def test_unfreeze_and_freeze_take_names():
    assert truetune.unfreeze("block4", "block5").prefixes == ("block4", "block5")
    assert truetune.unfreeze().prefixes == ("",)
    assert not truetune.freeze("backbone").trainable
