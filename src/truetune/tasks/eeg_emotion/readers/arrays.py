"""Feature arrays: `X_train.npy` and its companions in a folder, or the same names in one `.npz`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from truetune.data.dataset import Array, Dataset
from truetune.data.groups import looks_like_group
from truetune.data.reading.bounds import load_npy, load_npz
from truetune.data.reading.formats import Reader, files_in, foreign
from truetune.errors import DataError
from truetune.tasks.eeg_emotion import labels
from truetune.tasks.eeg_emotion.readers.options import ReadOptions
from truetune.tasks.eeg_emotion.signals import levels_of

# The suffixes people give the files of a part, by the part's name; "" is data that are not split.
PARTS = {
    "": "",
    "_train": "train",
    "_val": "validation",
    "_valid": "validation",
    "_validation": "validation",
    "_test": "test",
}
# Names that arrays of identities go by.
IDENTITIES = {
    **dict.fromkeys(("subject", "subjects", "groups", "group"), "subject"),
    **dict.fromkeys(("trial", "trials"), "trial"),
    **dict.fromkeys(("session", "sessions"), "session"),
}


def matches(path: Path) -> bool:
    if path.is_file():
        return path.suffix == ".npz"
    return any((path / f"X{suffix}.npy").is_file() for suffix in PARTS) or len(files_in(path, ".npz")) == 1


def read(path: Path, options: ReadOptions) -> Dataset:
    """Features (n, n_features) with labels (n,), and where there are such arrays the subject, trial and session.

    A folder holds `X.npy` and `y.npy`, or `X_train.npy`, `y_train.npy` and if need be `X_val…`, `X_test…`; identities
    are `subjects_train.npy` (or groups_…, trials_…, sessions_…). Words for the classes may be in `class_names`.
    An array with another name that looks like a person or a recording (`participants_train.npy`), or the one that
    `groups` names, is an identity too. `label` is the name of the labels' array instead of "y".
    """
    arrays = _load(path, options)
    name = options.label if options.label and any(options.label + suffix in arrays for suffix in PARTS) else "y"
    suffixes = [suffix for suffix in PARTS if f"X{suffix}" in arrays]
    if not suffixes:
        raise DataError(
            f"{path} holds {', '.join(sorted(arrays)) or 'no arrays'}. Expected X and y, or X_train and y_train."
        )
    if "" in suffixes and len(suffixes) > 1:
        raise DataError(f"{path} holds both X and X{suffixes[1]}. Expected the whole data or its parts; remove one.")
    parts = [_part(path, arrays, suffix, name, options.groups) for suffix in suffixes]
    return _join(path, parts, [PARTS[suffix] for suffix in suffixes], options.label, arrays.get("class_names"))


def _load(path: Path, options: ReadOptions) -> dict[str, Array]:
    """The arrays by name; files beside them that are none of ours are left alone."""
    if path.is_dir() and not any((path / f"X{suffix}.npy").is_file() for suffix in PARTS):
        path = files_in(path, ".npz")[0]
    if path.is_file():
        return foreign(path, "an .npz of numbers (np.savez)", lambda: _load_npz(path))
    ours = {"X", "y", options.label, options.groups, "class_names", *IDENTITIES}
    files = {file.stem: file for file in files_in(path, ".npy")}
    bases = {stem: _base(stem) for stem in files}
    return {stem: _load_npy(files[stem]) for stem, base in bases.items() if base in ours or looks_like_group(base)}


def _base(name: str) -> str:
    """The name without that of its part."""
    suffix = next((suffix for suffix in PARTS if suffix and name.endswith(suffix)), "")
    return name.removesuffix(suffix)


def _load_npy(file: Path) -> Array:
    return foreign(file, "an array of numbers (np.save)", lambda: np.asarray(load_npy(file)))


def _load_npz(file: Path) -> dict[str, Array]:
    with file.open("rb") as stream:
        if stream.read(6) == b"\x93NUMPY":
            raise DataError(f"{file} holds one array. Expected an .npz with X and y (np.savez(file, X=X, y=y)).")
    return load_npz(file)


def _part(path: Path, arrays: Mapping[str, Array], suffix: str, label: str, groups: str | None) -> dict[str, Array]:
    """X, y and the identities of one part, of equal lengths."""
    if label + suffix not in arrays:
        raise DataError(f"{path} holds X{suffix} but no {label}{suffix}. Expected its labels, shape (n,).")
    part = {"X": _features(arrays[f"X{suffix}"], f"X{suffix}"), "y": arrays[label + suffix]}
    if part["y"].ndim == 2 and part["y"].shape[1] == 1:
        part["y"] = part["y"][:, 0]
    for name, identity in IDENTITIES.items():
        if name + suffix in arrays:
            part[identity] = arrays[name + suffix]
    part |= _undeclared(arrays, suffix, {label, *part}, groups, len(part["X"]))
    for name, array in part.items():
        if array.ndim == 0 or len(array) != len(part["X"]):
            raise DataError(
                f"{name}{suffix} has {len(array) if array.ndim else 'no'} rows, but X{suffix} has {len(part['X'])}. "
                "Expected one entry per row; save them again from the same table."
            )
    return part


def _undeclared(
    arrays: Mapping[str, Array], suffix: str, known: set[str], groups: str | None, n_rows: int
) -> dict[str, Array]:
    """Further arrays of one id per row. Others of such a name, e.g. a list of all patients, are left alone."""
    found = {}
    for name in {_base(name) for name in arrays if name == _base(name) + suffix} - known - set(IDENTITIES):
        array = arrays[name + suffix]
        if name == groups or (looks_like_group(name) and array.shape in ((n_rows,), (n_rows, 1))):
            found[name] = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    return dict(sorted(found.items()))


def _features(X: Array, name: str) -> Array:
    if X.ndim == 3 and X.shape[2] == 1:
        X = X[:, :, 0]
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(
            f"{name} has shape {X.shape}. Expected (n, n_features), e.g. (n, 167); reshape it, or give the signals "
            "in a format that knows their sampling rate (see the raw recordings)."
        )
    if X.dtype.kind not in "fiub":
        raise DataError(f"{name} holds {X.dtype}. Expected numbers; convert it with astype('float32').")
    return X.astype(np.float32)


def _join(
    path: Path, parts: list[dict[str, Array]], names: list[str], label: str | None, class_names: Array | None
) -> Dataset:
    widths = {part["X"].shape[1] for part in parts}
    if len(widths) > 1:
        raise DataError(f"The parts in {path} have {sorted(widths)} features. Expected the same features in each.")
    if len({frozenset(part) for part in parts}) > 1:
        raise DataError(
            f"The parts in {path} hold different arrays: {'; '.join(', '.join(sorted(part)) for part in parts)}. "
            "Expected the same arrays for each part; add the missing ones."
        )
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    encoded = _encode(columns["y"], label, class_names)
    identities = {name: column for name, column in columns.items() if name not in ("X", "y")}
    lengths = [len(part["X"]) for part in parts]
    return Dataset(
        X=columns["X"],
        y=encoded.y,
        groups=levels_of(identities),
        class_names=encoded.class_names,
        main_output=encoded.main_output,
        identities=identities,
        parts=np.repeat(names, lengths) if names != [""] else None,
        kind="EEG features",
    )


def _encode(y: Array, label: str | None, class_names: Array | None) -> labels.Labels:
    """`label` may name an array, or be a head of the emotions (valence, arousal)."""
    if class_names is not None:
        return labels.Labels(labels.whole_numbers(y, label or "y"), tuple(map(str, class_names.tolist())))
    if label in ("valence", "arousal"):
        return labels.encode(labels.three_heads(y), label)
    return labels.encode(y, label)


READER = Reader("feature arrays: X_train.npy (n, n_features) and y_train.npy (n,), or one .npz", matches, read)
