"""The winner as a model: raw rows in, the recorded score out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import truetune
from truetune.errors import InputError

pytestmark = pytest.mark.tensorflow

rng = np.random.default_rng(0)
X = (rng.normal(size=(160, 4)) * 50 + 3).astype("float32")
Y = ((X[:, 0] + rng.normal(size=160) * 15) > 30).astype(int)
PARTS = np.array(["train"] * 80 + ["validation"] * 40 + ["test"] * 40)


def build(hp):
    import keras

    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(hp.Int("units", 2, 16)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    return model


def searched(folder, preprocessing=StandardScaler, data=None, **options):
    data = data or truetune.Dataset(X, Y, parts=PARTS)
    task = truetune.Task("winner", build, data, "val_auc", epochs=2, preprocessing=preprocessing)
    options = {"max_trials": 2, "finalists": 0, "workers": 0, "directory": folder, **options}
    return truetune.tune(task, **options)


@pytest.mark.parametrize("preprocessing", [StandardScaler, MinMaxScaler, None])
def test_raw_rows_reproduce_the_recorded_score(tmp_path, preprocessing) -> None:
    result = searched(tmp_path, preprocessing)
    held = PARTS == "validation"
    model = result.best_model()
    assert model.evaluate(X[held], Y[held])["auc"] == pytest.approx(result.best_score, abs=1e-5)
    assert model.predict(X[held]).shape == (40, 1)
    hp = result.best_hp
    assert hp.values == result.best_hyperparameters
    assert build(hp).count_params() == model.model.count_params()


def test_a_drawn_holdout_and_what_cannot_be_given(tmp_path) -> None:
    result = searched(tmp_path, data=truetune.Dataset(X, Y))
    assert set(result.best_model().transformers) == {""}
    changed = replace(result, task=replace(result.task, preprocessing=MinMaxScaler))
    with pytest.raises(InputError, match="has changed since"):
        changed.best_model()
    with pytest.raises(InputError, match="reshuffle=True"):
        replace(result, meta={**result.meta, "protocol": {"name": "holdout", "reshuffle": True}}).best_model()
    with pytest.raises(InputError, match="keep='all'"):
        replace(result, best_weights=None).best_model()
    with pytest.raises(InputError, match="has no winner"):
        replace(result, trials=()).best_model()


def test_of_several_folds_there_is_no_one_model(tmp_path) -> None:
    result = searched(tmp_path, data=truetune.Dataset(X, Y), protocol="k-fold", folds=2)
    with pytest.raises(InputError, match=r"result.retrain\(\)"):
        result.best_model()
    retrained = result.retrain()
    assert np.isfinite(retrained.predict(X)).all()
    assert retrained.transformers[""].n_samples_seen_ > 100
