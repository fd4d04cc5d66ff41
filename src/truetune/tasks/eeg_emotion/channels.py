"""Electrode names: one spelling for each place on the head, as MNE's standard montages have it."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from truetune.data.dataset import Array
from truetune.errors import DataError

# Order of the first 32 channels of DEAP's preprocessed files (its documentation calls it the Geneva order).
DEAP_CHANNELS = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
)

# "Channel Order.xlsx" of SEED and SEED-IV. CB1 and CB2 (cerebellar) are in no standard montage.
SEED_CHANNELS = (
    *("Fp1", "Fpz", "Fp2", "AF3", "AF4", "F7", "F5", "F3", "F1", "Fz", "F2", "F4", "F6", "F8", "FT7", "FC5"),
    *("FC3", "FC1", "FCz", "FC2", "FC4", "FC6", "FT8", "T7", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "T8"),
    *("TP7", "CP5", "CP3", "CP1", "CPz", "CP2", "CP4", "CP6", "TP8", "P7", "P5", "P3", "P1", "Pz", "P2", "P4"),
    *("P6", "P8", "PO7", "PO5", "PO3", "POz", "PO4", "PO6", "PO8", "CB1", "O1", "Oz", "O2", "CB2"),
)

# The Emotiv EPOC's order, as in DREAMER's `EEG_Electrodes`.
DREAMER_CHANNELS = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")

# Names of the first 10-20 system, from before the 10-10 system renamed these four places.
OLD_NAMES = {"t3": "T7", "t4": "T8", "t5": "P7", "t6": "P8"}

# The same electrode positions under the names of newer (first) and older MNE releases.
_MONTAGES = ("colin27_1005", "standard_1005")

# What recorders put around the name: "EEG Fp1-REF", "EEG Fp1-LE", "Fc5.".
_DECORATION = re.compile(r"^(?:EEG[\s:_-]*)?(?P<name>.*?)(?:[-_\s]*(?:REF|LE|AR|AVG|A1|A2|M1|M2))?\.*$", re.IGNORECASE)


def standard_name(name: str) -> str | None:
    """The standard spelling of an electrode's name (`FP1`, `EEG Fp1-REF`, `T3`, `Fc5.` → `Fp1`, `Fp1`, `T7`, `FC5`).

    Returns:
        None for a name that is in no standard montage.
    """
    known = _standard_names()
    plain = name.strip()
    if plain.lower() in known:
        return known[plain.lower()]
    found = _DECORATION.match(plain)
    return known.get(found["name"].strip().lower()) if found else None


def standard_names(names: Sequence[str]) -> tuple[str, ...]:
    """The standard spelling of each name; a name that is in no montage stays as it is.

    Raises:
        DataError: two names mean the same electrode.
    """
    result = tuple(standard_name(name) or name.strip() for name in names)
    twice = sorted({name for name in result if result.count(name) > 1})
    if twice:
        raise DataError(
            f"The channels {', '.join(twice)} occur more than once among {', '.join(names)}. Expected each "
            "electrode once; rename or drop the others."
        )
    return result


def positions(names: Sequence[str]) -> Array:
    """Places on a standard head, shape (n_channels, 3), metres."""
    places = _montage().get_positions()["ch_pos"]
    return np.stack([places[standard_name(name)] for name in names])


@functools.cache
def _montage() -> Any:
    import mne

    builtin = mne.channels.get_builtin_montages()
    return mne.channels.make_standard_montage(next(name for name in _MONTAGES if name in builtin))


@functools.cache
def _standard_names() -> dict[str, str]:
    return {name.lower(): name for name in _montage().ch_names} | OLD_NAMES
