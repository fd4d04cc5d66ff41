"""The metrics equal scikit-learn's on whatever they are given."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, recall_score

from truetune.errors import InputError
from truetune.metrics import (
    BinaryDice,
    BinaryJaccard,
    Dice,
    Jaccard,
    MacroF1,
    UnweightedAverageRecall,
    WorstGroupAccuracy,
)

pytestmark = pytest.mark.tensorflow

CLASSES = 4


def recall(y_true, y_pred, weights=None):
    of = {"labels": np.unique(y_true), "average": "macro", "sample_weight": weights, "zero_division": 0}
    return recall_score(y_true, y_pred, **of)


def macro_f1(y_true, y_pred, weights=None):
    return f1_score(y_true, y_pred, average="macro", sample_weight=weights, zero_division=0)


def jaccard(y_true, y_pred, weights=None):
    return jaccard_score(y_true, y_pred, average="macro", sample_weight=weights, zero_division=0)


REFERENCES = {UnweightedAverageRecall: recall, MacroF1: macro_f1, Jaccard: jaccard, Dice: macro_f1}
"""Ours, and scikit-learn's of flat labels."""


def one_hot(y_pred, n_classes=CLASSES):
    return np.eye(n_classes, dtype="float32")[y_pred]


def measured(metric, y_true, scores, batch=7, weights=None):
    """The metric after the rows were counted `batch` at a time."""
    for start in range(0, len(y_true), batch):
        rows = slice(start, start + batch)
        metric.update_state(y_true[rows], scores[rows], None if weights is None else weights[rows])
    return float(metric.result())


@st.composite
def rows_of(draw, classes=CLASSES, most=40):
    """Labels and predictions of 1 to `most` rows; often with classes missing and all predictions the same."""
    count = draw(st.integers(1, most))
    top = draw(st.integers(0, classes - 1))
    numbers = st.lists(st.integers(0, top), min_size=count, max_size=count)
    y_pred = draw(numbers | st.integers(0, classes - 1).map(lambda only: [only] * count))
    return np.array(draw(numbers)), np.array(y_pred)


@pytest.mark.parametrize("metric", REFERENCES)
@given(rows=rows_of(), batch=st.integers(1, 50))
def test_equals_scikit_learn(metric, rows, batch):
    y_true, y_pred = rows
    value = measured(metric(CLASSES), y_true, one_hot(y_pred), batch)
    assert value == pytest.approx(REFERENCES[metric](y_true, y_pred), abs=1e-6)


@pytest.mark.parametrize("metric", REFERENCES)
@given(rows=rows_of(), seed=st.integers(0, 99))
def test_equals_scikit_learn_with_sample_weights(metric, rows, seed):
    y_true, y_pred = rows
    weights = np.random.default_rng(seed).uniform(0.1, 2.0, len(y_true))
    expected = pytest.approx(REFERENCES[metric](y_true, y_pred, weights), abs=1e-5)
    assert measured(metric(CLASSES), y_true, one_hot(y_pred), weights=weights) == expected
    assert measured(metric(CLASSES), y_true[:, None], one_hot(y_pred), weights=weights[:, None]) == expected


@pytest.mark.parametrize(
    ("y_true", "y_pred", "uar", "f1", "overlap"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], 1, 1, 1),
        ([0, 0, 0, 0], [1, 1, 1, 1], 0, 0, 0),
        ([0, 0, 0, 1], [0, 0, 0, 0], 1 / 2, 3 / 7, 3 / 8),
        ([2, 2, 0, 0], [2, 1, 0, 0], 3 / 4, 5 / 9, 1 / 2),
        ([1], [1], 1, 1, 1),
        ([1], [3], 0, 0, 0),
    ],
    ids=["all right", "all wrong", "one prediction", "a class only predicted", "one sample", "one wrong sample"],
)
def test_degenerate_labels(y_true, y_pred, uar, f1, overlap):
    expected = {UnweightedAverageRecall: uar, MacroF1: f1, Dice: f1, Jaccard: overlap}
    for metric, value in expected.items():
        assert measured(metric(CLASSES), np.array(y_true), one_hot(y_pred)) == pytest.approx(value)
        assert REFERENCES[metric](y_true, y_pred) == pytest.approx(value)


@pytest.mark.parametrize("metric", REFERENCES)
def test_labels_outside_the_classes_are_left_out(metric):
    y_true, y_pred = np.array([0, 1, 255, -1, 1, 2]), np.array([0, 1, 3, 2, 2, 2])
    known = (y_true >= 0) & (y_true < CLASSES)
    value = measured(metric(CLASSES), y_true, one_hot(y_pred))
    assert value == pytest.approx(REFERENCES[metric](y_true[known], y_pred[known]))


# Pixels


@given(rows=rows_of(), include_background=st.booleans())
def test_pixels_of_all_images_count_together(rows, include_background):
    y_true, y_pred = (np.resize(column, (3, 4, 5)) for column in rows)
    classes = np.unique([y_true, y_pred])
    classes = classes if include_background else classes[classes > 0]
    of = {"labels": classes, "average": "macro", "zero_division": 0}
    for metric, reference in ((Jaccard, jaccard_score), (Dice, f1_score)):
        expected = reference(y_true.ravel(), y_pred.ravel(), **of) if len(classes) else 0.0
        for labels in (y_true, y_true[..., None]):
            value = measured(metric(CLASSES, include_background=include_background), labels, one_hot(y_pred), 2)
            assert value == pytest.approx(expected, abs=1e-6)


@given(rows=rows_of(classes=2), threshold=st.sampled_from([0.3, 0.5, 0.7]))
def test_one_output_and_a_threshold(rows, threshold):
    y_true, y_pred = (np.resize(column, (3, 4, 5)) for column in rows)
    scores = np.where(y_pred, threshold + 0.1, threshold - 0.1)[..., None].astype("float32")
    for metric, reference in ((BinaryJaccard, jaccard_score), (BinaryDice, f1_score)):
        expected = reference(y_true.ravel(), y_pred.ravel(), zero_division=0)
        for labels in (y_true, y_true[..., None]):
            assert measured(metric(threshold), labels, scores, 2) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", [Jaccard, Dice])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 1, 1), (6, 4, 5), (6, 4, 5, 1)])
def test_weights_of_images_and_of_pixels(metric, shape):
    rng = np.random.default_rng(3)
    y_true, y_pred = rng.integers(0, CLASSES, (2, 6, 4, 5))
    weights = rng.uniform(0.1, 2.0, shape)
    of_pixels = np.broadcast_to(weights.reshape(*shape[:3], *[1] * (3 - len(shape))), y_true.shape).ravel()
    expected = REFERENCES[metric](y_true.ravel(), y_pred.ravel(), of_pixels)
    assert measured(metric(CLASSES), y_true, one_hot(y_pred), 4, weights) == pytest.approx(expected, abs=1e-6)


def test_more_pixels_than_float32_can_count():
    metric = BinaryJaccard()
    image = np.ones((1, 2**12, 2**12, 1), "float32")
    metric.update_state(image, image)
    for _ in range(3):
        metric.update_state(np.ones((1, 1, 1)), np.zeros((1, 1, 1, 1)))
    assert np.asarray(metric.hits).tolist() == [0, 2**24]
    assert np.asarray(metric.true).tolist() == [0, 2**24 + 3]


# Groups


@given(rows=rows_of(), seed=st.integers(0, 99), batch=st.integers(1, 50))
def test_the_group_that_is_served_worst(rows, seed, batch):
    y_true, y_pred = rows
    groups = np.random.default_rng(seed).integers(0, 5, len(y_true))
    worst = min(accuracy_score(y_true[groups == group], y_pred[groups == group]) for group in np.unique(groups))
    value = measured(WorstGroupAccuracy(6), np.stack([y_true, groups], axis=1), one_hot(y_pred), batch)
    assert value == pytest.approx(worst, abs=1e-6)


def test_the_worst_group_with_weights_and_unknown_groups():
    y = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [1, 9], [1, -1]])
    scores = one_hot([0, 0, 0, 1, 0, 0])
    weights = np.array([3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert measured(WorstGroupAccuracy(3), y, scores, weights=weights) == pytest.approx(0.75)
    assert measured(WorstGroupAccuracy(3), y, scores, weights=weights[:, None]) == pytest.approx(0.75)
    assert measured(WorstGroupAccuracy(1), y[4:], scores[4:]) == 0.0


# What is refused


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "message"),
    [
        (lambda: MacroF1(3), np.zeros(5), np.zeros((5, 4)), r"MacroF1\(3\) received predictions of shape \(5, 4\)"),
        (lambda: MacroF1(4), np.zeros((5, 4)), np.zeros((5, 4)), r"labels of shape \(5, 4\).* as their argmax"),
        (
            lambda: Jaccard(2),
            np.zeros((5, 3)),
            np.zeros((5, 3, 3, 2)),
            r"Expected integer classes of shape \(5, 3, 3\)",
        ),
        (BinaryDice, np.zeros(5), np.zeros((5, 3)), "for several classes there is Dice"),
        (lambda: WorstGroupAccuracy(2), np.zeros(5), np.zeros((5, 3)), "the label and the group of each row"),
    ],
)
def test_other_shapes_are_refused(metric, y_true, y_pred, message):
    with pytest.raises(InputError, match=message):
        metric().update_state(y_true, y_pred)


def test_too_few_classes_and_groups_are_refused():
    with pytest.raises(InputError, match="num_classes=1"):
        Jaccard(1)
    with pytest.raises(InputError, match="num_groups=0"):
        WorstGroupAccuracy(0)


# As Keras uses them

ALL = {
    "uar": UnweightedAverageRecall(CLASSES),
    "macro_f1": MacroF1(CLASSES),
    "worst_group_accuracy": WorstGroupAccuracy(CLASSES),
    "jaccard": Jaccard(CLASSES, include_background=False),
    "dice": Dice(CLASSES, include_background=False),
    "binary_jaccard": BinaryJaccard(0.3),
    "binary_dice": BinaryDice(0.3),
}


@pytest.mark.parametrize("name", ALL)
def test_nothing_seen_is_zero_and_reset_forgets(name):
    metric = ALL[name]
    metric.reset_state()
    assert float(metric.result()) == 0.0
    y_true = np.array([[1, 1], [1, 1]]) if name == "worst_group_accuracy" else np.array([1, 1])
    metric.update_state(y_true, np.ones((2, 1)) if name.startswith("binary") else one_hot([1, 1]))
    assert float(metric.result()) == 1.0
    metric.reset_state()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("name", ALL)
def test_the_name_that_is_logged_and_the_way_to_a_file_and_back(name):
    metric = ALL[name]
    assert metric.name == name
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert type(twin) is type(metric)
    assert twin.get_config() == metric.get_config()
    assert [v.shape for v in twin.variables] == [v.shape for v in metric.variables]


def label_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true[:, 0], y_pred)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_the_fit_of_a_model_with_several_heads(jit_compile):
    rng = np.random.default_rng(0)
    X, labels, groups = rng.normal(size=(50, 6)), rng.integers(0, CLASSES, 50), rng.integers(0, 3, 50)
    y = {"emotion": labels, "grouped": np.stack([labels, groups], axis=1), "mask": labels[:, None] % 2}
    inputs = keras.Input((6,))
    heads = {"emotion": (CLASSES, "softmax"), "grouped": (CLASSES, "softmax"), "mask": (1, "sigmoid")}
    model = keras.Model(inputs, {name: keras.layers.Dense(*of, name=name)(inputs) for name, of in heads.items()})
    emotion = [UnweightedAverageRecall(CLASSES), MacroF1(CLASSES), Jaccard(CLASSES), Dice(CLASSES)]
    model.compile(
        "adam",
        {"emotion": "sparse_categorical_crossentropy", "grouped": label_loss, "mask": "binary_crossentropy"},
        metrics={"emotion": emotion, "grouped": [WorstGroupAccuracy(3)], "mask": [BinaryJaccard(), BinaryDice()]},
        jit_compile=jit_compile,
    )
    history = model.fit(X, y, validation_data=(X, y), batch_size=16, epochs=1, verbose=0).history
    predicted = {name: np.asarray(p) for name, p in model.predict(X, verbose=0).items()}
    emotion = predicted["emotion"].argmax(-1)
    assert history["val_emotion_uar"] == [pytest.approx(recall(labels, emotion))]
    assert history["val_emotion_macro_f1"] == [pytest.approx(macro_f1(labels, emotion))]
    assert history["val_emotion_jaccard"] == [pytest.approx(jaccard(labels, emotion))]
    assert history["val_emotion_dice"] == [pytest.approx(macro_f1(labels, emotion))]
    is_right = predicted["grouped"].argmax(-1) == labels
    worst = min(is_right[groups == group].mean() for group in range(3))
    assert history["val_grouped_worst_group_accuracy"] == [pytest.approx(worst)]
    mask = predicted["mask"][:, 0] > 0.5
    assert history["val_mask_binary_jaccard"] == [pytest.approx(jaccard_score(labels % 2, mask, zero_division=0))]
    assert history["val_mask_binary_dice"] == [pytest.approx(f1_score(labels % 2, mask, zero_division=0))]
