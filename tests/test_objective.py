"""What users give as the objective, and the direction that is taken."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest

import truetune
from truetune.errors import ObjectiveError
from truetune.objective import Objective, as_objective, certain_direction

MORE_IS_BETTER = [
    "val_accuracy",
    "accuracy",
    "val_acc",
    "val_accuracy_1",
    "val_head_accuracy",
    "val_sparse_top_k_categorical_accuracy",
    "val_AUC",
    "val_auc_12",
    "val_f1_score",
    "val_f1_score[2]",
    "val_r2_score",
    "val_binary_io_u",
    "val_one_hot_mean_io_u",
    "val_mean_io_u",
    "val_prc",
    "val_precision_at_recall",
    "val_recall_at_5",
    "val_true_positives",
    "val_unweighted_average_recall",
    "val_macro_f1",
    "val_worst_group_accuracy",
    "val_binary_dice",
    "val_jaccard",
    "val_error_recall",
    "val_loss_accuracy",
]
LESS_IS_BETTER = [
    "val_loss",
    "loss",
    "val_out_loss",
    "val_mse",
    "val_mean_absolute_error",
    "val_root_mean_squared_error",
    "val_binary_crossentropy",
    "val_mean_squared_logarithmic_error",
    "val_kl_divergence",
    "val_false_negatives",
    "val_dice_loss",
    "val_accuracy_loss",
    "val_squared_hinge",
    "val_accuracy_error",
    "val_mae_3",
]
UNCERTAIN = [
    "val_cosine_similarity",
    "val_neg_mean_squared_error",
    "val_one_minus_accuracy",
    "val_negative_log_likelihood",
    "val_mean",
    "val_sum",
    "val_my_metric",
    "val_accuracy_gap",
    "val_loss_scale",
    "val_learning_rate",
    "val_lossy",
    "val_",
    "val_elbo",
]


def build(hp):
    return hp


def task(objective, **fields) -> truetune.Task:
    return truetune.Task("objectives", build, lambda: None, objective, **fields)


@pytest.mark.parametrize("name", MORE_IS_BETTER)
def test_a_name_of_which_more_is_better(name: str) -> None:
    assert as_objective(name) == Objective(name, "max")


@pytest.mark.parametrize("name", LESS_IS_BETTER)
def test_a_name_of_which_less_is_better(name: str) -> None:
    assert as_objective(name) == Objective(name, "min")


@pytest.mark.parametrize("name", UNCERTAIN)
def test_an_uncertain_name_is_refused_with_both_spellings(name: str) -> None:
    with pytest.raises(ObjectiveError) as refused:
        as_objective(name)
    for direction in ("max", "min"):
        assert f"truetune.Objective('{name}', '{direction}')" in str(refused.value)


@pytest.mark.parametrize("name", ["val_f1_score", "val_r2_score", "val_binary_io_u"])
def test_keras_tuner_infers_a_wrong_direction_and_we_do_not(name: str) -> None:
    """KerasTuner 1.4 takes what it does not know for a loss."""
    from keras_tuner.engine.metrics_tracking import infer_metric_direction

    assert infer_metric_direction(name) != "max"
    assert certain_direction(name) == "max"


def test_a_direction_that_is_given_counts() -> None:
    from keras_tuner import Objective as Theirs

    assert task(Theirs("val_my_metric", "max")).objective == Objective("val_my_metric", "max")
    assert task(("val_accuracy", "min")).objective == Objective("val_accuracy", "min")
    assert task(SimpleNamespace(name="val_auc", direction=None)).objective == Objective("val_auc", "max")


@pytest.mark.parametrize(
    "value", [None, 3, ["val_loss", "val_accuracy"], ("val_loss",), (), max, "", ("val_loss", "down"), ("", "max")]
)
def test_nonsense_is_refused(value: object) -> None:
    with pytest.raises(ObjectiveError):
        task(value)


def test_several_objectives_of_keras_tuner_are_refused() -> None:
    from keras_tuner.src.engine.objective import create_objective

    with pytest.raises(ObjectiveError, match="one metric"):
        task(create_objective(["val_loss", "val_accuracy"]))


def test_a_task_keeps_its_objective_when_copied_and_pickled() -> None:
    made = task("val_loss")
    assert (
        replace(made, epochs=2).objective == pickle.loads(pickle.dumps(made.objective)) == Objective("val_loss", "min")
    )


def test_a_training_metric_is_warned_about() -> None:
    with pytest.warns(UserWarning, match="Expected 'val_accuracy'"):
        task("accuracy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task("val_accuracy")
