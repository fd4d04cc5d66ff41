"""What metrics counted on several parts, added up, is the metric of all rows: for ours and for Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.metrics import (
    BinaryDice,
    BinaryJaccard,
    Dice,
    Jaccard,
    MacroF1,
    UnweightedAverageRecall,
    WorstGroupAccuracy,
)
from truetune.training.folds.pooled import added, metric_state, metrics_of, resampled_metrics, states_of_parts
from truetune.training.logged import numbers

pytestmark = pytest.mark.tensorflow

CLASSES, ROWS = 4, 60
RNG = np.random.default_rng(0)
SCORES = RNG.dirichlet(np.ones(CLASSES), ROWS).astype("float32")
LABELS = RNG.choice(CLASSES, ROWS, p=[0.6, 0.2, 0.15, 0.05])
METRICS = keras.metrics

# What the model puts out, what is true, the loss, and the metrics that can be had of both.
ONE_OF_SEVERAL = (
    SCORES,
    LABELS,
    "sparse_categorical_crossentropy",
    [
        lambda: UnweightedAverageRecall(CLASSES),
        lambda: MacroF1(CLASSES),
        lambda: Jaccard(CLASSES),
        lambda: Jaccard(CLASSES, include_background=False, name="jaccard_of_objects"),
        lambda: Dice(CLASSES),
        lambda: METRICS.SparseCategoricalAccuracy(),
        lambda: METRICS.SparseTopKCategoricalAccuracy(k=2),
        lambda: METRICS.SparseCategoricalCrossentropy(),
        lambda: METRICS.MeanIoU(CLASSES, sparse_y_pred=False),
    ],
)
ONE_HOT = (
    SCORES,
    np.eye(CLASSES, dtype="float32")[LABELS],
    "categorical_crossentropy",
    [
        lambda: METRICS.CategoricalAccuracy(),
        lambda: METRICS.F1Score(average="macro"),
        lambda: METRICS.F1Score(average="weighted", name="weighted_f1"),
        lambda: METRICS.AUC(multi_label=True, num_labels=CLASSES),
        lambda: METRICS.OneHotMeanIoU(CLASSES),
    ],
)
YES_OR_NO = (
    SCORES[:, :1],
    (LABELS[:, None] == 0).astype("float32"),
    "binary_crossentropy",
    [
        lambda: BinaryJaccard(),
        lambda: BinaryDice(),
        lambda: METRICS.BinaryAccuracy(),
        lambda: METRICS.AUC(),
        lambda: METRICS.AUC(curve="PR", name="auc_pr"),
        lambda: METRICS.Precision(),
        lambda: METRICS.Recall(),
        lambda: METRICS.PrecisionAtRecall(0.5),
        lambda: METRICS.BinaryIoU(target_class_ids=[1]),
        lambda: METRICS.FalsePositives(),
    ],
)
NUMBERS = (
    SCORES[:, :1],
    (LABELS[:, None] + SCORES[:, 1:2]).astype("float32"),
    "mse",
    [
        lambda: METRICS.MeanSquaredError(),
        lambda: METRICS.RootMeanSquaredError(),
        lambda: METRICS.MeanAbsoluteError(),
        lambda: METRICS.R2Score(),
    ],
)


def grouped_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true[:, 0], y_pred)


GROUPED = (SCORES, np.stack([LABELS, np.arange(ROWS) % 7], 1), grouped_loss, [lambda: WorstGroupAccuracy(9)])

CASES = {
    "one of several": ONE_OF_SEVERAL,
    "one-hot": ONE_HOT,
    "yes or no": YES_OR_NO,
    "numbers": NUMBERS,
    "groups": GROUPED,
}


def identity(width):
    """A model that puts out what it is given."""
    inputs = keras.Input((width,))
    return keras.Model(inputs, keras.layers.Activation("linear", name="same")(inputs))


def parts(seed, sizes):
    """All rows in parts of these sizes; small ones lack classes."""
    order = np.random.default_rng(seed).permutation(ROWS)
    return np.split(order, np.cumsum(sizes)[:-1])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("seed", "sizes"), [(1, (20, 20, 20)), (2, (1, 9, 50)), (3, (30, 30)), (4, (1, 1, 1, 57)), (5, (60,))]
)
def test_parts_added_up_are_the_whole(case, seed, sizes):
    scores, y, loss, metrics = CASES[case]
    model = identity(scores.shape[1])
    model.compile("sgd", loss, metrics=[make() for make in metrics])
    whole = model.evaluate(scores, y, batch_size=16, verbose=0, return_dict=True)
    states = []
    for rows in parts(seed, sizes):
        model.evaluate(scores[rows], y[rows], batch_size=16, verbose=0)
        states.append(metric_state(model))
    pooled = metrics_of(model, added(states))
    assert len(pooled) == len(metrics) + 1
    assert pooled == pytest.approx(whole, abs=1e-5)


def test_a_mean_of_the_parts_is_something_else():
    scores, y, loss, _ = ONE_OF_SEVERAL
    model = identity(CLASSES)
    model.compile("sgd", loss, metrics=[MacroF1(CLASSES)])
    whole = model.evaluate(scores, y, verbose=0, return_dict=True)["macro_f1"]
    each = [
        model.evaluate(scores[rows], y[rows], verbose=0, return_dict=True)["macro_f1"] for rows in parts(1, (5, 5, 50))
    ]
    assert abs(np.mean(each) - whole) > 0.01


def two_heads():
    inputs = keras.Input((CLASSES,))
    heads = {"left": keras.layers.Activation("linear", name="left")(inputs)}
    heads["right"] = keras.layers.Activation("linear", name="right")(inputs)
    model = keras.Model(inputs, heads)
    model.compile(
        "sgd",
        dict.fromkeys(heads, "sparse_categorical_crossentropy"),
        metrics={name: ["accuracy", MacroF1(CLASSES), UnweightedAverageRecall(CLASSES)] for name in heads},
    )
    return model, {"left": LABELS, "right": LABELS[::-1].copy()}


def whole_and_pooled(sizes):
    """What two heads log of all rows, and of parts of these sizes added up, in batches of 20."""
    model, y = two_heads()
    whole = model.evaluate(SCORES, y, batch_size=20, verbose=0, return_dict=True)
    states = []
    for rows in parts(7, sizes):
        part = {name: column[rows] for name, column in y.items()}
        model.evaluate(SCORES[rows], part, batch_size=20, verbose=0)
        states.append(metric_state(model))
    return whole, metrics_of(model, added(states))


def test_several_heads():
    whole, pooled = whole_and_pooled((20, 40))
    assert {"left_macro_f1", "right_uar", "right_accuracy", "left_loss"} <= set(whole)
    assert pooled == pytest.approx(whole, abs=1e-5)


def test_keras_weighs_the_batches_of_a_heads_loss_alike():
    """So the losses of single heads differ a little where batches differ in size; the loss of all heads does not."""
    whole, pooled = whole_and_pooled((5, 15, 40))
    differing = {name for name in whole if pooled[name] != pytest.approx(whole[name], abs=1e-5)}
    assert differing == {"left_loss", "right_loss"}


def test_counts_that_float32_cannot_hold_are_added_exactly():
    model = identity(1)
    model.compile("sgd", "binary_crossentropy", metrics=[BinaryJaccard()])
    model.evaluate(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    state = metric_state(model)
    counted = [i for i, values in enumerate(state) if values.shape == (2,)]
    assert len(counted) == 3
    large = [values + 2**24 if i in counted else values for i, values in enumerate(state)]
    metrics_of(model, added([large, state, state]))
    assert [metric_state(model)[i].tolist() for i in counted] == [[2**24, 2**24 + 12]] * 3


@pytest.mark.parametrize("case", CASES)
def test_drawn_parts_have_the_metrics_of_their_rows(case):
    scores, y, loss, metrics = CASES[case]
    model = identity(scores.shape[1])
    model.compile("sgd", loss, metrics=[make() for make in metrics])
    rows = parts(3, (10, 25, 25))
    states = states_of_parts(model, Dataset(scores, y), rows)
    counts = np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0]])
    drawn = resampled_metrics(model, states, counts)
    assert len(drawn) == len(metrics) + 1
    for draw, chosen in enumerate(([0, 1, 2], [1, 1, 2], [0, 0, 0])):
        together = np.concatenate([rows[part] for part in chosen])
        whole = model.evaluate(scores[together], y[together], verbose=0, return_dict=True)
        assert {name: values[draw] for name, values in drawn.items()} == pytest.approx(whole, abs=1e-5)


@keras.saving.register_keras_serializable(package="tests")
class TwoInOne(METRICS.Metric):
    """Returns a mapping, as Keras allows."""

    def __init__(self):
        super().__init__(name="two_in_one")
        self.by_class = METRICS.F1Score(name="inner")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.by_class.update_state(y_true, y_pred)

    def result(self):
        return {"smallest": keras.ops.min(self.by_class.result()), "each": self.by_class.result()}

    def reset_state(self):
        self.by_class.reset_state()


def test_arrays_and_mappings_are_added_up_and_drawn_by_their_values():
    scores, y, loss, _ = ONE_HOT
    model = identity(CLASSES)
    model.compile("sgd", loss, metrics=[METRICS.F1Score(), TwoInOne()])
    rows = parts(3, (10, 25, 25))
    states = states_of_parts(model, Dataset(scores, y), rows)
    whole = numbers(model.evaluate(scores, y, verbose=0, return_dict=True))
    assert set(whole) == {
        "loss",
        "smallest",
        *(f"{name}[{i}]" for name in ("f1_score", "each") for i in range(CLASSES)),
    }
    assert metrics_of(model, added(states)) == pytest.approx(whole, abs=1e-5)
    drawn = resampled_metrics(model, states, np.array([[1, 1, 1], [0, 2, 1]]))
    assert {name: values[0] for name, values in drawn.items()} == pytest.approx(whole, abs=1e-5)
    assert drawn["smallest"][1] == min(drawn[f"each[{i}]"][1] for i in range(CLASSES))


def test_drawn_parts_of_several_heads():
    model, y = two_heads()
    rows = parts(3, (20, 40))
    drawn = resampled_metrics(model, states_of_parts(model, Dataset(SCORES, y), rows), np.array([[1, 1], [0, 2]]))
    whole = model.evaluate(SCORES, y, batch_size=ROWS, verbose=0, return_dict=True)
    assert drawn["left_uar"][0] == pytest.approx(whole["left_uar"], abs=1e-6)
    assert drawn["right_accuracy"][1] == pytest.approx(np.mean(SCORES.argmax(1) == y["right"], where=_in(rows[1])))


def _in(rows):
    chosen = np.zeros(ROWS, dtype=bool)
    chosen[rows] = True
    return chosen


def test_a_part_larger_than_a_step_is_counted_whole():
    from truetune.training.folds.pooled import ROWS_AT_ONCE

    n_rows = 2 * ROWS_AT_ONCE + 3
    model = identity(1)
    model.compile("sgd", "mse", metrics=["mae"])
    y = np.arange(n_rows, dtype="float64")
    (state,) = states_of_parts(model, Dataset(np.zeros((n_rows, 1)), y), [np.arange(n_rows)])
    assert metrics_of(model, state)["mae"] == pytest.approx(y.mean())
