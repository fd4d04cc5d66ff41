"""The state of callbacks, so that a training goes on as if nothing had happened: numbers, text, arrays; no pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from truetune.data.dataset import Array
from truetune.errors import InputError

KEPT: Mapping[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_weights", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.LearningRateScheduler: (),
    keras.callbacks.LambdaCallback: (),
    keras.callbacks.TerminateOnNaN: (),
    keras.callbacks.ProgbarLogger: (),
    keras.callbacks.RemoteMonitor: (),
    keras.callbacks.CSVLogger: ("keys", "append", "append_header", "writer", "csv_file"),
    keras.callbacks.TensorBoard: ("_global_train_batch", "_previous_epoch_iterations"),
}
"""What changes in Keras' own callbacks and decides what they do next; files are looked after apart."""

IGNORED = ("_model", "model", "params", "validation_data", "monitor_op", "min_delta")
"""Set by Keras when a training begins, or at the end of its first epoch."""

State = Any
"""None, numbers, text, arrays, and lists and dicts of these."""


class CallbackStates:
    """Takes and restores the states of the callbacks of one training.

    Args:
        callbacks: new ones, in the order of every training of this recipe.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        self._callbacks = tuple(callbacks)
        self._untouched = {id(c): frozen(_attributes(c)) for c in callbacks if not _is_known(c)}

    def before(self, states: Sequence[State], is_first_stage: bool) -> None:
        """A training is about to begin or to go on: logs are cut to where it stands, and continued."""
        for callback, state in zip(self._callbacks, states or [None] * len(self._callbacks), strict=False):
            if not isinstance(callback, keras.callbacks.CSVLogger):
                continue
            if state is not None and os.path.exists(callback.filename):
                os.truncate(callback.filename, min(state["size"], os.path.getsize(callback.filename)))
            callback.append = callback.append or not is_first_stage or state is not None

    def begun(self) -> None:
        """Training has begun: what `on_train_begin` set up is no state."""
        self._untouched = {id(c): frozen(_attributes(c)) for c in self._callbacks if not _is_known(c)}

    def unkeepable(self) -> list[str]:
        """Classes whose objects have changed since, in a way that nobody can put back."""
        return [
            type(c).__name__
            for c in self._callbacks
            if id(c) in self._untouched and frozen(_attributes(c)) != self._untouched[id(c)]
        ]

    def take(self) -> list[State]:
        """Of every callback, in order. Raises InputError where a `get_state` returns what cannot be written."""
        return [_state_of(callback) for callback in self._callbacks]

    def restore(self, states: Sequence[State]) -> None:
        """Put `states` back into callbacks whose training has just begun."""
        if len(states) != len(self._callbacks):
            raise InputError(
                f"The recipe makes {len(self._callbacks)} callbacks, but made {len(states)} when this training was "
                "interrupted. Expected the same; make them depend on nothing but hp."
            )
        for callback, state in zip(self._callbacks, states, strict=True):
            _restore(callback, state)


def _keeps_itself(callback: Any) -> bool:
    return callable(getattr(callback, "get_state", None)) and callable(getattr(callback, "set_state", None))


def _is_known(callback: Any) -> bool:
    return _keeps_itself(callback) or type(callback) in KEPT


def _state_of(callback: Any) -> State:
    if _keeps_itself(callback):
        state = callback.get_state()
        _check(state, type(callback).__name__)
        return state
    if isinstance(callback, keras.callbacks.CSVLogger):
        return {"size": os.path.getsize(callback.filename)}
    return {name: _plain(getattr(callback, name)) for name in _kept_names(callback) if hasattr(callback, name)}


def _restore(callback: Any, state: State) -> None:
    if _keeps_itself(callback):
        callback.set_state(state)
        return
    if isinstance(callback, keras.callbacks.CSVLogger):
        return  # its file was cut before it was opened
    for name, value in state.items():
        setattr(callback, name, value)


def _kept_names(callback: Any) -> list[str]:
    """Of Keras' own callbacks and of classes made from them."""
    return [name for kind, names in KEPT.items() if isinstance(callback, kind) for name in names]


def _plain(value: Any) -> State:
    """Tensors, as Keras keeps a best value that a metric logged, as arrays."""
    if value is None or isinstance(value, (bool, int, float, str, list)):
        return value
    return np.asarray(value)


def _check(state: State, owner: str) -> None:
    if isinstance(state, Mapping):
        keys_are_text = all(isinstance(key, str) for key in state)
        for value in state.values():
            _check(value, owner)
        if keys_are_text:
            return
    elif isinstance(state, (list, tuple)):
        for value in state:
            _check(value, owner)
        return
    elif state is None or isinstance(state, (bool, int, float, str)) or _is_numeric(state):
        return
    raise InputError(
        f"{owner}.get_state returned {state!r}. Expected numbers, text, NumPy arrays, None, and lists and dicts (with "
        "text as keys) of these, since it is written to a file without pickle."
    )


def _is_numeric(state: State) -> bool:
    return isinstance(state, (np.ndarray, np.generic)) and state.dtype.kind in "biuf"


def _attributes(callback: Any) -> dict[str, Any]:
    """What nobody keeps."""
    kept = {*IGNORED, *_kept_names(callback)}
    return {name: value for name, value in vars(callback).items() if name not in kept}


def frozen(value: Any, depth: int = 6) -> Any:
    """A copy of `value` to compare with later: containers and plain objects by content, all else by identity."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.str, value.shape, value.tobytes()
    if depth == 0 or isinstance(value, type) or callable(value):
        return id(value)
    if isinstance(value, Mapping):
        return tuple((frozen(k, depth - 1), frozen(v, depth - 1)) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return frozenset(frozen(item, depth - 1) for item in value)
    if isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
        return tuple(frozen(item, depth - 1) for item in value)
    for generator in ("getstate", "get_state", "bit_generator"):  # of the random module, and NumPy's old and new ones
        if hasattr(value, generator):
            found = getattr(value, generator)
            return repr(found() if callable(found) else found.state)
    if hasattr(value, "__next__") and not hasattr(value, "read"):  # nobody can see how far an iterator has come
        return object()
    inner = getattr(value, "__dict__", None)
    if inner and not type(value).__module__.startswith(("keras", "tensorflow")):
        return id(value), frozen(inner, depth - 1)
    return id(value)


def packed(state: State, arrays: dict[str, Array], kind: str) -> Any:
    """`state` for JSON; its arrays go into `arrays`, as `<kind>_<number>`."""
    if isinstance(state, (np.ndarray, np.generic)):
        key = f"{kind}_{len(arrays)}"
        arrays[key] = np.asarray(state)
        return {"array": key}
    if isinstance(state, Mapping):
        return {"dict": {key: packed(value, arrays, kind) for key, value in state.items()}}
    if isinstance(state, (list, tuple)):
        return [packed(value, arrays, kind) for value in state]
    return state


def unpacked(content: Any, arrays: Any) -> State:
    """The inverse of `packed`; tuples have become lists."""
    if isinstance(content, Mapping):
        if "array" in content:
            array = np.asarray(arrays[content["array"]])
            return array if array.ndim else array[()]
        return {key: unpacked(value, arrays) for key, value in content["dict"].items()}
    if isinstance(content, list):
        return [unpacked(value, arrays) for value in content]
    return content
