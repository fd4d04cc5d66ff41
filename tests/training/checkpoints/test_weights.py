"""The weights that a trial leaves."""

import keras
import numpy as np
import pytest

from truetune.objective import Objective
from truetune.training.checkpoints.weights import keep_weights
from truetune.training.messages import Outcome, Request
from truetune.trial import TrialState

pytestmark = pytest.mark.tensorflow
LOSS = Objective("val_loss", "min")


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])


def outcome(score, state=TrialState.COMPLETE, best=True):
    return Outcome(state, score, epochs=1, best_epoch=1, weights_are_best=best)


def kept(model, tmp_path, found, **fields):
    path = tmp_path / "weights" / "trial_00001.weights.h5"
    problem = keep_weights(model, found, Request(1, 0, weights=path, **fields), LOSS)
    assert problem == ""
    return path.exists()


@pytest.mark.parametrize(("to_beat", "stays"), [(None, True), (0.6, True), (0.5, True), (0.4, False)])
def test_only_what_may_win_is_written(model, tmp_path, to_beat, stays):
    assert kept(model, tmp_path, outcome(0.5), to_beat=to_beat) is stays


def test_all_of_them(model, tmp_path):
    assert kept(model, tmp_path, outcome(0.5, TrialState.PRUNED), keeps_all=True, to_beat=0.1)


@pytest.mark.parametrize(
    "found",
    [outcome(0.5, TrialState.PRUNED), outcome(None, TrialState.FAILED), outcome(0.5, best=False)],
    ids=["pruned", "failed", "weights of another epoch"],
)
def test_what_cannot_win_is_not(model, tmp_path, found):
    assert not kept(model, tmp_path, found)


def test_they_load_again_and_nothing_is_left_beside_them(model, tmp_path):
    assert kept(model, tmp_path, outcome(0.5))
    twin = keras.models.clone_model(model)
    twin.load_weights(tmp_path / "weights" / "trial_00001.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(twin.get_weights(), model.get_weights(), strict=True))
    assert len(list((tmp_path / "weights").iterdir())) == 1


def test_a_folder_that_cannot_be_written_costs_the_weights_and_not_the_trial(model, tmp_path):
    (tmp_path / "weights").write_text("in the way")
    request = Request(1, 0, weights=tmp_path / "weights" / "trial_00001.weights.h5")
    assert "The weights of trial 1 are not kept" in keep_weights(model, outcome(0.5), request, LOSS)
