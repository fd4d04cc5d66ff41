"""Which key of `class EEGEmotion` in `config.py` holds which hyperparameter of the builder."""

from __future__ import annotations

from truetune.config.mapping import ConfigMapping

_PER_BLOCK = {
    "cnn_filters_{i}": "CNN_FILTERS",
    "kernel_size_{i}": "KERNEL_SIZES",
    "pool_size_{i}": "POOL_SIZES",
    "cnn_dropout_{i}": "CNN_DROPOUTS",
    "l2_reg_{i}": "L2_REGS",
}
_PER_DENSE_LAYER = {
    "dense_units_{i}": "DENSE_UNITS",
    "dense_dropout_{i}": "DENSE_DROPOUTS",
    "dense_l2_{i}": "DENSE_L2S",
}
_SINGLE = (
    "learning_rate",
    "optimizer",
    "batch_size",
    "epochs",
    "n_cnn_blocks",
    "use_lstm",
    "lstm_units",
    "lstm_dropout",
    "lstm_recurrent_dropout",
    "n_dense_layers",
)

EEG_EMOTION_MAPPING = ConfigMapping(
    scope="EEGEmotion",
    keys={**{name: name.upper() for name in _SINGLE}, **_PER_BLOCK, **_PER_DENSE_LAYER},
    counts={**dict.fromkeys(_PER_BLOCK, "n_cnn_blocks"), **dict.fromkeys(_PER_DENSE_LAYER, "n_dense_layers")},
)
