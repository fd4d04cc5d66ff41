"""The unweighted average recall equals scikit-learn's on whatever it is given."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import recall_score

pytestmark = pytest.mark.tensorflow


def measured(y_true, y_pred, n_classes, batch=7, weights=None):
    from truetune.training.metrics import UnweightedAverageRecall

    metric = UnweightedAverageRecall(n_classes)
    scores = np.eye(n_classes, dtype="float32")[y_pred]
    for start in range(0, len(y_true), batch):
        rows = slice(start, start + batch)
        metric.update_state(y_true[rows], scores[rows], None if weights is None else weights[rows])
    return float(metric.result())


def expected(y_true, y_pred, weights=None):
    return recall_score(
        y_true, y_pred, labels=np.unique(y_true), average="macro", sample_weight=weights, zero_division=0.0
    )


@pytest.mark.parametrize("seed", range(8))
def test_equals_scikit_learn_on_random_labels(seed):
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(2, 7))
    skew = rng.dirichlet(np.full(n_classes, 0.5))
    y_true = rng.choice(n_classes, size=101, p=skew)
    y_pred = rng.integers(0, n_classes, size=101)
    assert measured(y_true, y_pred, n_classes) == pytest.approx(expected(y_true, y_pred), abs=1e-6)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "value"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], 1.0),
        ([0, 0, 0, 0], [1, 1, 1, 1], 0.0),
        ([0, 0, 0, 1], [0, 0, 0, 0], 0.5),
        ([2, 2, 0, 0], [2, 1, 0, 0], 0.75),
        ([1], [1], 1.0),
    ],
)
def test_degenerate_labels(y_true, y_pred, value):
    y_true, y_pred = np.array(y_true), np.array(y_pred)
    assert measured(y_true, y_pred, 3) == pytest.approx(value)
    assert value == pytest.approx(expected(y_true, y_pred))


def test_sample_weights_and_column_labels():
    rng = np.random.default_rng(1)
    y_true, y_pred = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    weights = rng.uniform(0.1, 2.0, 50).astype("float32")
    value = expected(y_true, y_pred, weights)
    assert measured(y_true, y_pred, 3, weights=weights) == pytest.approx(value, abs=1e-5)
    assert measured(y_true[:, None], y_pred, 3, weights=weights) == pytest.approx(value, abs=1e-5)


def test_nothing_seen_is_zero_and_reset_forgets():
    from truetune.training.metrics import UnweightedAverageRecall

    metric = UnweightedAverageRecall(2)
    assert float(metric.result()) == 0.0
    metric.update_state(np.array([0, 1]), np.eye(2))
    assert float(metric.result()) == 1.0
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_survives_serialization():
    import keras

    from truetune.training.metrics import UnweightedAverageRecall

    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(UnweightedAverageRecall(5, name="recall"))
    )
    assert isinstance(twin, UnweightedAverageRecall)
    assert (twin.num_classes, twin.name) == (5, "recall")
