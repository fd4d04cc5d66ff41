"""The CNN + BiLSTM for EEG features; its shape and heads follow the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
from keras import layers, regularizers

from truetune.space import Value
from truetune.training.metrics import MacroF1, UnweightedAverageRecall

CNN_BLOCKS = (2, 3, 4)
DENSE_LAYERS = (1, 2, 3)
DEFAULT_FILTERS = (64, 128, 256, 256)
DEFAULT_DENSE_UNITS = (256, 128, 64)
DEFAULT_DENSE_DROPOUTS = (0.4, 0.3, 0.3)
OPTIMIZERS = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "rmsprop": keras.optimizers.RMSprop}
EMOTION_LOSS_WEIGHTS = {"valence": 0.2, "arousal": 0.2, "emotion": 0.6}


def build_model(hp: Any, n_features: int, heads: Mapping[str, int]) -> keras.Model:
    """A compiled model for rows of `n_features` features.

    The features of a row are read as a sequence: Conv1D → BatchNorm → ReLU → MaxPool → Dropout, two to four times,
    then a bidirectional LSTM or an average over the sequence, dense layers, and a softmax head per output.

    Args:
        hp: a `keras_tuner.HyperParameters`.
        n_features: 167 for 32 channels: 5 bands each, and 7 asymmetries.
        heads: output name → number of classes. One head gives a model with one plain output.
    """
    inputs = keras.Input((n_features,), name="features")
    x = layers.Reshape((n_features, 1), name="sequence")(inputs)
    x = _cnn(hp, x)
    x = _over_time(hp, x)
    x = _dense(hp, x)
    outputs = {name: layers.Dense(n, activation="softmax", name=name)(x) for name, n in heads.items()}
    model = keras.Model(inputs, outputs if len(outputs) > 1 else next(iter(outputs.values())), name="emotion")
    hp.Choice("batch_size", [16, 32, 64], default=32)  # read by the training loop, not by the model
    _compile(model, heads, _optimizer(hp))
    return model


def _compile(model: keras.Model, heads: Mapping[str, int], optimizer: keras.optimizers.Optimizer) -> None:
    metrics = {name: ["accuracy", UnweightedAverageRecall(n), MacroF1(n)] for name, n in heads.items()}
    losses = dict.fromkeys(heads, "sparse_categorical_crossentropy")
    one = next(iter(heads)) if len(heads) == 1 else None
    model.compile(
        optimizer=optimizer,
        loss=losses if one is None else losses[one],
        loss_weights=loss_weights(heads) if one is None else None,
        metrics=metrics if one is None else metrics[one],
        # XLA recompiles for the last, smaller batch and made these epochs 2-8 times slower on a CPU.
        jit_compile=False,
    )


def loss_weights(heads: Mapping[str, int]) -> dict[str, float]:
    """What each head counts in the loss: .2, .2, .6 for valence, arousal, emotion; equal for any other heads."""
    if set(heads) == set(EMOTION_LOSS_WEIGHTS):
        return {name: EMOTION_LOSS_WEIGHTS[name] for name in heads}
    return dict.fromkeys(heads, 1.0 / len(heads))


def _only_above(hp: Any, counter: str, counts: tuple[int, ...], i: int) -> AbstractContextManager[Any]:
    """The scope of number `i` of a series: active while `counter` is larger; no condition where it always is."""
    active = [count for count in counts if count > i]
    scope: AbstractContextManager[Any] = hp.conditional_scope(counter, active)
    return nullcontext() if len(active) == len(counts) else scope


def _cnn(hp: Any, x: Any) -> Any:
    """All blocks are declared, so that every searcher knows the whole space; the first `n_cnn_blocks` are built."""
    n_blocks = hp.Int("n_cnn_blocks", min(CNN_BLOCKS), max(CNN_BLOCKS), default=3)
    for i in range(max(CNN_BLOCKS)):
        with _only_above(hp, "n_cnn_blocks", CNN_BLOCKS, i):
            filters = hp.Int(f"cnn_filters_{i}", 32, 256, step=32, default=DEFAULT_FILTERS[i])
            kernel_size = hp.Choice(f"kernel_size_{i}", [3, 5, 7], default=3)
            pool_size = hp.Choice(f"pool_size_{i}", [2, 3], default=2)
            dropout = hp.Float(f"cnn_dropout_{i}", 0.1, 0.5, default=0.2)
            l2 = hp.Float(f"l2_reg_{i}", 1e-4, 1e-2, sampling="log", default=1e-3)
        if i < n_blocks:
            x = _cnn_block(x, i, filters, kernel_size, pool_size, dropout, l2)
    return x


def _cnn_block(x: Any, i: int, filters: int, kernel_size: int, pool_size: int, dropout: float, l2: float) -> Any:
    x = layers.Conv1D(
        filters, kernel_size, padding="same", kernel_regularizer=regularizers.L2(l2), name=f"cnn_{i}_conv"
    )(x)
    # An epoch on EEG has 10 to 30 steps; with Keras' momentum of .99 the moving statistics that score a trial would lag
    # behind the weights for its first dozen epochs.
    x = layers.BatchNormalization(momentum=0.9, name=f"cnn_{i}_norm")(x)
    x = layers.ReLU(name=f"cnn_{i}_relu")(x)
    # Data with few features leave less than one pool of the sequence: pool what is left, never to nothing.
    x = layers.MaxPooling1D(min(pool_size, x.shape[1]), name=f"cnn_{i}_pool")(x)
    return layers.Dropout(dropout, name=f"cnn_{i}_dropout")(x)


def _over_time(hp: Any, x: Any) -> Any:
    use_lstm = hp.Boolean("use_lstm", default=True)
    with hp.conditional_scope("use_lstm", [True]):
        units = hp.Int("lstm_units", 64, 256, step=32, default=128)
        dropout = hp.Float("lstm_dropout", 0.1, 0.5, default=0.3)
        # Zero keeps Keras' fast implementation; anything more costs about half an epoch again.
        recurrent_dropout = hp.Float("lstm_recurrent_dropout", 0.0, 0.5, default=0.0)
    if not use_lstm:
        return layers.GlobalAveragePooling1D(name="average")(x)
    lstm = layers.LSTM(units, dropout=dropout, recurrent_dropout=recurrent_dropout, name="lstm")
    return layers.Bidirectional(lstm, name="bilstm")(x)


def _dense(hp: Any, x: Any) -> Any:
    n_layers = hp.Int("n_dense_layers", min(DENSE_LAYERS), max(DENSE_LAYERS), default=2)
    for i in range(max(DENSE_LAYERS)):
        with _only_above(hp, "n_dense_layers", DENSE_LAYERS, i):
            units = hp.Int(f"dense_units_{i}", 64, 512, step=64, default=DEFAULT_DENSE_UNITS[i])
            dropout = hp.Float(f"dense_dropout_{i}", 0.2, 0.7, default=DEFAULT_DENSE_DROPOUTS[i])
            l2 = hp.Float(f"dense_l2_{i}", 1e-4, 1e-2, sampling="log", default=1e-3)
        if i < n_layers:
            regularizer = regularizers.L2(l2)
            x = layers.Dense(units, activation="relu", kernel_regularizer=regularizer, name=f"dense_{i}")(x)
            x = layers.Dropout(dropout, name=f"dense_{i}_dropout")(x)
    return x


def _optimizer(hp: Any) -> keras.optimizers.Optimizer:
    learning_rate = hp.Float("learning_rate", 1e-5, 1e-2, sampling="log", default=1e-3)
    name = hp.Choice("optimizer", list(OPTIMIZERS), default="adam")
    return OPTIMIZERS[name](learning_rate=learning_rate)


def read_back(model: keras.Model) -> dict[str, Value]:
    """What a built model really has, by hyperparameter name, read off its layers and its optimizer.

    `batch_size` is the training loop's. A pool that left a single step is not reported, since `_cnn_block` may have
    made it smaller than asked.
    """
    found = {layer.name: layer for layer in model.layers}
    found_values: dict[str, Value] = {
        "n_cnn_blocks": sum(name.endswith("_conv") for name in found),
        "n_dense_layers": sum(name.startswith("dense_") and name.endswith("_dropout") for name in found),
        "use_lstm": "bilstm" in found,
        "learning_rate": float(model.optimizer.learning_rate),
        "optimizer": next(name for name, kind in OPTIMIZERS.items() if type(model.optimizer) is kind),
    }
    for i in range(int(found_values["n_cnn_blocks"])):
        found_values |= _read_cnn_block(found, i)
    for i in range(int(found_values["n_dense_layers"])):
        dense = found[f"dense_{i}"]
        found_values[f"dense_units_{i}"] = dense.units
        found_values[f"dense_dropout_{i}"] = found[f"dense_{i}_dropout"].rate
        found_values[f"dense_l2_{i}"] = float(dense.kernel_regularizer.l2)
    if "bilstm" in found:
        lstm = found["bilstm"].forward_layer
        found_values["lstm_units"] = lstm.units
        found_values["lstm_dropout"] = lstm.dropout
        found_values["lstm_recurrent_dropout"] = lstm.recurrent_dropout
    return found_values


def _read_cnn_block(found: Mapping[str, Any], i: int) -> dict[str, Value]:
    conv, pool = found[f"cnn_{i}_conv"], found[f"cnn_{i}_pool"]
    values: dict[str, Value] = {
        f"cnn_filters_{i}": conv.filters,
        f"kernel_size_{i}": conv.kernel_size[0],
        f"cnn_dropout_{i}": found[f"cnn_{i}_dropout"].rate,
        f"l2_reg_{i}": float(conv.kernel_regularizer.l2),
    }
    if pool.output.shape[1] > 1:
        values[f"pool_size_{i}"] = pool.pool_size[0]
    return values
