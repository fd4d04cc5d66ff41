"""Every hyperparameter that is stated is found on the model."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from truetune.errors import SpaceError
from truetune.space import Hyperparameter
from truetune.tasks.objectives import CLASSIFICATION as METRICS

pytestmark = pytest.mark.tensorflow

HEADS = {"valence": 2, "arousal": 2, "emotion": 5}

# As the issue tracker and `best_hyperparameters.json` have them.
CNN_SERIES = ("cnn_filters", "kernel_size", "pool_size", "cnn_dropout", "l2_reg")
DENSE_SERIES = ("dense_units", "dense_dropout", "dense_l2")
NAMES = {
    "n_cnn_blocks",
    *(f"{name}_{i}" for name in CNN_SERIES for i in range(4)),
    *("use_lstm", "lstm_units", "lstm_dropout", "lstm_recurrent_dropout"),
    "n_dense_layers",
    *(f"{name}_{i}" for name in DENSE_SERIES for i in range(3)),
    *("learning_rate", "optimizer", "batch_size"),
}


def build(values=None, n_features=167, heads=HEADS):
    """(model, hp) with the defaults but for `values`."""
    from truetune.hyperparameters import HyperParameters, fixed
    from truetune.tasks.eeg_emotion.builder import EmotionBuilder

    hp = HyperParameters(fixed(values or {}, missing="default"))
    return EmotionBuilder(n_features, heads)(hp), hp


def another(hp: Hyperparameter):
    """A value of `hp` that is not its default."""
    if hp.grid() is not None:
        return next(value for value in hp.grid() if value != hp.default)
    return hp.low if hp.default != hp.low else hp.high


def describe_built(model, hp):
    """All that training depends on: layers, optimizer, loss weights, and the batch size of the loop."""
    config = model.get_compile_config()
    return repr([layer.get_config() for layer in model.layers]), repr(config), hp.values["batch_size"]


@pytest.fixture(scope="module")
def default():
    return build()


def parents(space, key):
    """Values that switch the conditions of `key` on."""
    return {condition.parent: condition.values[-1] for condition in space[key].conditions}


def test_the_space_is_the_documented_one(default):
    _, hp = default
    assert set(hp.declared) == NAMES
    ranges = {name: hp.declared[name].describe() for name in NAMES}
    assert ranges["n_cnn_blocks"] == "2…4"
    assert ranges["cnn_filters_3"] == "32…256 step 32"
    assert ranges["kernel_size_0"] == "{3, 5, 7}"
    assert ranges["pool_size_0"] == "{2, 3}"
    assert ranges["cnn_dropout_1"] == "0.1…0.5"
    assert ranges["l2_reg_2"] == "0.0001…0.01 (log)"
    assert ranges["lstm_units"] == "64…256 step 32"
    assert ranges["n_dense_layers"] == "1…3"
    assert ranges["dense_units_0"] == "64…512 step 64"
    assert ranges["dense_dropout_2"] == "0.2…0.7"
    assert ranges["learning_rate"] == "1e-05…0.01 (log)"
    assert ranges["optimizer"] == "{'adam', 'adamw', 'rmsprop'}"
    assert ranges["batch_size"] == "{16, 32, 64}"


def test_conditions_are_declared(default):
    space = default[1].declared
    assert [space.is_active("cnn_filters_3", {"n_cnn_blocks": n}) for n in (2, 3, 4)] == [False, False, True]
    assert [space.is_active("cnn_filters_2", {"n_cnn_blocks": n}) for n in (2, 3, 4)] == [False, True, True]
    assert space["cnn_filters_1"].conditions == ()
    assert [space.is_active("dense_units_1", {"n_dense_layers": n}) for n in (1, 2, 3)] == [False, True, True]
    assert [space.is_active("lstm_units", {"use_lstm": use}) for use in (False, True)] == [False, True]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_changing_a_hyperparameter_changes_what_is_trained(default, name):
    space = default[1].declared
    values = parents(space, name)
    before = describe_built(*build(values)) if values else describe_built(*default)
    after = describe_built(*build({**values, name: another(space[name])}))
    assert before != after, f"{name} never reaches the model"


@pytest.mark.parametrize("seed", range(6))
def test_what_is_stated_is_read_back_from_the_model(default, seed):
    from truetune.hyperparameters import HyperParameters
    from truetune.tasks.eeg_emotion.builder import EmotionBuilder
    from truetune.tasks.eeg_emotion.model import read_back

    rng = np.random.default_rng(seed)

    def draw(hyperparameter):
        grid = hyperparameter.grid()
        if grid is not None:
            return grid[rng.integers(len(grid))]
        return float(rng.uniform(hyperparameter.low, hyperparameter.high))

    hp = HyperParameters(draw)
    model = EmotionBuilder(167, HEADS)(hp)
    stated = {name: value for name, value in hp.values.items() if name != "batch_size"}
    assert read_back(model) == {name: pytest.approx(value) for name, value in stated.items()}


def test_the_inactive_are_absent_from_the_values():
    _, hp = build({"n_cnn_blocks": 2, "use_lstm": False, "n_dense_layers": 1})
    absent = NAMES - set(hp.values)
    assert {"cnn_filters_2", "kernel_size_3", "lstm_units", "dense_units_1", "dense_l2_2"} <= absent


@pytest.mark.parametrize("n_features", [1, 2, 12])
def test_pooling_never_empties_the_sequence(n_features):
    values = {"n_cnn_blocks": 4, "use_lstm": False, **{f"pool_size_{i}": 3 for i in range(4)}}
    model, _ = build(values, n_features=n_features)
    assert model(np.zeros((2, n_features), "float32"))["emotion"].shape == (2, 5)


def test_the_pool_is_as_stated_on_the_full_features():
    from truetune.tasks.eeg_emotion.model import read_back

    values = {"n_cnn_blocks": 4, **{f"pool_size_{i}": 3 for i in range(4)}}
    built = read_back(build(values)[0])
    assert [built[f"pool_size_{i}"] for i in range(4)] == [3, 3, 3, 3]


def test_three_heads_and_their_loss_weights():
    model, _ = build({"use_lstm": False}, n_features=16)
    assert {name: output.shape[-1] for name, output in model.output.items()} == HEADS
    assert model.get_compile_config()["loss_weights"] == {"valence": 0.2, "arousal": 0.2, "emotion": 0.6}


def test_other_heads_count_equally():
    from truetune.tasks.eeg_emotion.model import loss_weights

    assert loss_weights({"valence": 2, "arousal": 2}) == {"valence": 0.5, "arousal": 0.5}


@pytest.mark.parametrize("heads", [{"label": 3}, HEADS])
def test_the_logged_names(heads):
    model, _ = build({"use_lstm": False, "n_cnn_blocks": 2, "n_dense_layers": 1}, n_features=8, heads=heads)
    rng = np.random.default_rng(0)
    y = {name: rng.integers(0, n, 16) for name, n in heads.items()}
    y = y["label"] if list(heads) == ["label"] else y
    logs = model.evaluate(rng.normal(size=(16, 8)).astype("float32"), y, verbose=0, return_dict=True)
    names = METRICS if list(heads) == ["label"] else [f"{head}_{metric}" for head in heads for metric in METRICS]
    assert set(logs) == {*names, "loss"}


def test_no_recurrent_dropout_unless_asked(default):
    model, _ = default
    assert model.get_layer("bilstm").forward_layer.recurrent_dropout == 0.0


def test_a_value_outside_its_range_is_refused():
    with pytest.raises(SpaceError, match="cnn_filters_0"):
        build({"cnn_filters_0": 33})


def test_the_builder_travels_to_a_worker():
    from truetune.tasks.eeg_emotion.builder import EmotionBuilder

    builder = EmotionBuilder(167, HEADS)
    assert pickle.loads(pickle.dumps(builder)) == builder


def test_runs_under_plain_keras_tuner():
    import keras_tuner

    from truetune.tasks.eeg_emotion.builder import EmotionBuilder

    hp = keras_tuner.HyperParameters()
    model = EmotionBuilder(20, {"label": 2})(hp)
    assert model.output_shape == (None, 2)
    assert {entry.name for entry in hp.space} == NAMES
