"""The order of training rows, fixed by (trial seed, epoch), so that an epoch can be trained again in the same order.

Keras shuffles arrays with a generator whose state cannot be saved. Here each epoch's order is a permutation of its
own, drawn when the epoch begins; the batches are cut and gathered as `keras.src.trainers.data_adapters` does it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from truetune.data.dataset import Array, Arrays, Dataset, named


def epoch_order(seed: int, epoch: int, n_rows: int) -> Array:
    """The rows of an epoch (0 is the first) in the order they are trained in, shape (n_rows,)."""
    return np.random.default_rng([seed, epoch]).permutation(n_rows)


class OrderedRows(keras.callbacks.Callback):  # type: ignore[misc]
    """Training rows for one `fit`, and the callback of that `fit` that sets each epoch's order.

    Python's and NumPy's global generators are reseeded from (seed, epoch) too, for data augmentation written with
    them. The stateful generators of `tf.random` are not: their state is out of reach.

    Args:
        train: the rows.
        batch_size: rows a step; the last batch of an epoch may be smaller.
        seed: of the trial.
        weights: of the rows, shape (n_rows,); None weighs all the same.

    Attributes:
        batches: a `tf.data.Dataset` of (x, y) or (x, y, weights), one pass an epoch. Keras makes the iterator of an
            epoch after `on_epoch_begin` (`EpochIterator._enumerate_iterator`), so it reads the order set there.
    """

    def __init__(self, train: Dataset, batch_size: int, seed: int, weights: Array | None = None) -> None:
        super().__init__()
        self._seed, self._n_rows = seed, len(train)
        with tf.device("CPU:0"):
            self._order = tf.Variable(np.arange(self._n_rows), trainable=False)
            rows = (_tensors(train.X), _tensors(train.y), *(() if weights is None else (_tensor(weights),)))
            self.batches = _batches(self._order, self._n_rows, batch_size, rows)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        words = np.random.SeedSequence([self._seed, epoch]).generate_state(2)
        random.seed(int(words[0]))
        np.random.seed(int(words[1]))
        self._order.assign(epoch_order(self._seed, epoch, self._n_rows))


def _tensors(arrays: Arrays) -> Any:
    if isinstance(arrays, Mapping):
        return {name: _tensor(values) for name, values in named(arrays).items()}
    return _tensor(np.asarray(arrays))


def _tensor(values: Array) -> Any:
    """Floating numbers in Keras' own precision, as Keras turns arrays into tensors."""
    if np.issubdtype(values.dtype, np.floating):
        values = values.astype(keras.backend.floatx(), copy=False)
    return tf.convert_to_tensor(values)


def _batches(order: tf.Variable, n_rows: int, batch_size: int, rows: Any) -> Any:
    in_full_batches = n_rows - n_rows % batch_size

    def cut(indices: Any) -> Any:
        full = tf.reshape(indices[:in_full_batches], (-1, batch_size))
        batches = tf.data.Dataset.from_tensor_slices(full)
        if in_full_batches < n_rows:
            batches = batches.concatenate(tf.data.Dataset.from_tensors(indices[in_full_batches:]))
        return batches

    def gather(indices: Any, everything: Any) -> Any:
        return tf.nest.map_structure(lambda values: tf.gather(values, indices), everything)

    indices = tf.data.Dataset.range(1).map(lambda _: tf.ensure_shape(order.read_value(), (n_rows,))).flat_map(cut)
    batches = tf.data.Dataset.zip((indices, tf.data.Dataset.from_tensors(rows).repeat()))
    batches = batches.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return batches.apply(tf.data.experimental.assert_cardinality(-(-n_rows // batch_size))).with_options(_options())


def _options() -> Any:
    """As Keras sets them: rewriting the pipeline costs more at the start of an epoch than it saves."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return options
