"""What the labels mean: the five emotions, their three heads, and ratings turned into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from truetune.data.dataset import Array, Arrays
from truetune.errors import DataError

CLASS_NAMES = ("neutral", "happy", "sad", "relaxed", "focused")
VALENCE = (0, 1, 0, 1, 1)
AROUSAL = (0, 1, 0, 0, 1)
MAIN_HEAD = "emotion"
LEVELS = ("low", "high")

NEUTRAL, HAPPY, SAD, RELAXED, FOCUSED = range(5)

RATING_CENTRE = 5.0
NEUTRAL_RADIUS = 1.0


@dataclass(frozen=True)
class Labels:
    """Labels as a `Dataset` wants them.

    Attributes:
        y: integers, shape (n,), or a mapping of head name to such arrays.
        class_names: of the main output.
        main_output: "emotion" for three heads, else None.
    """

    y: Arrays
    class_names: tuple[str, ...]
    main_output: str | None = None


def three_heads(emotion: Array) -> dict[str, Array]:
    """Valence (2 classes), arousal (2) and emotion (5) of emotions 0…4, each int64 of shape (n,).

    Raises:
        DataError: a label is outside 0…4.
    """
    emotion = whole_numbers(emotion, MAIN_HEAD)
    if len(emotion) and not (emotion.min() >= 0 and emotion.max() < len(CLASS_NAMES)):
        raise DataError(
            f"The emotions run from {emotion.min()} to {emotion.max()}. Expected 0 to 4: "
            f"{', '.join(f'{i} {name}' for i, name in enumerate(CLASS_NAMES))}."
        )
    return {"valence": np.array(VALENCE)[emotion], "arousal": np.array(AROUSAL)[emotion], MAIN_HEAD: emotion}


def from_ratings(valence: Array, arousal: Array) -> dict[str, Array]:
    """The three heads of self-assessed ratings from 1 to 9 (DEAP's scale), each int64 of shape (n,).

    The heads `valence` and `arousal` are the ratings thresholded at 5: above 5 is high. The emotion is, in this order:

    - neutral where both ratings are at most 1 away from the centre, 5;
    - sad where valence is low;
    - relaxed where valence is high and arousal is low;
    - focused where both are high and arousal was rated above valence, i.e. more stirred than pleased;
    - happy otherwise.

    It agrees with the table VALENCE/AROUSAL but in two places, where the heads keep what was rated: neutral rows may
    lie just above 5 on either scale, and unpleasant excitement (low valence, high arousal: fear, anger) has no class
    of its own among the five and counts as sad. Neither neutral nor focused is a class that the raters were asked
    for; they are a convention.

    Args:
        valence, arousal: ratings, shape (n,), from 1 to 9. A scale from 1 to 5 becomes one by `2 * rating - 1`.

    Raises:
        DataError: a rating is outside 1…9 or NaN.
    """
    valence, arousal = (_rating(name, r) for name, r in (("valence", valence), ("arousal", arousal)))
    pleased, stirred = valence > RATING_CENTRE, arousal > RATING_CENTRE
    central = (np.abs(valence - RATING_CENTRE) <= NEUTRAL_RADIUS) & (np.abs(arousal - RATING_CENTRE) <= NEUTRAL_RADIUS)
    rules = [central, ~pleased, ~stirred, arousal > valence]
    emotion = np.select(rules, [NEUTRAL, SAD, RELAXED, FOCUSED], default=HAPPY)
    return {
        "valence": pleased.astype(np.int64),
        "arousal": stirred.astype(np.int64),
        MAIN_HEAD: emotion.astype(np.int64),
    }


def encode(values: Arrays, name: str | None = None) -> Labels:
    """Labels as integers with class names, from a column of numbers or of words, or from the three heads.

    - A mapping is taken as the three heads; `name` ("valence", "arousal", "emotion") chooses one as plain label.
    - Whole numbers that run to 4, or the five emotions by name, are emotions and get three heads; so does every column
      that is called "emotion".
    - Other whole numbers must be 0…k-1 without a gap, and are a plain label.
    - Other words are the classes of a plain label, in alphabetical order.

    Raises:
        DataError: labels that are none of these, or fewer than two classes.
    """
    if isinstance(values, Mapping):
        return _choose_head(values, name)
    values = np.asarray(values)
    if values.ndim != 1:
        raise DataError(
            f"The labels have shape {values.shape}. Expected one label per row, shape (n,); use argmax(axis=1) on "
            "one-hot labels."
        )
    _check_classes(values)
    return _encode_words(values, name) if values.dtype.kind in "OUS" else _encode_numbers(values, name)


def whole_numbers(values: Array, name: str) -> Array:
    """The values as int64.

    Raises:
        DataError: a value is no whole number.
    """
    values = np.asarray(values)
    if values.dtype.kind == "b" or values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind != "f" or not (np.isfinite(values) & (values == np.round(values))).all():
        shown = ", ".join(map(str, _not_whole(values)[:3].tolist()))
        raise DataError(f"The labels '{name}' hold {shown}. Expected whole numbers such as 0, 1, 2 (or words).")
    return values.astype(np.int64)


def _choose_head(heads: Mapping[str, Array], name: str | None) -> Labels:
    if name is None:
        return Labels({head: whole_numbers(values, head) for head, values in heads.items()}, CLASS_NAMES, MAIN_HEAD)
    if name not in heads:
        raise DataError(
            f"These data have no label '{name}'. Expected one of {', '.join(sorted(heads))}, or none for all of them."
        )
    return Labels(whole_numbers(heads[name], name), CLASS_NAMES if name == MAIN_HEAD else LEVELS)


def _encode_numbers(values: Array, name: str | None) -> Labels:
    numbers = whole_numbers(values, name or "y")
    classes = np.unique(numbers)
    if name == MAIN_HEAD or (len(classes) and classes[0] >= 0 and classes[-1] == len(CLASS_NAMES) - 1):
        return Labels(three_heads(numbers), CLASS_NAMES, MAIN_HEAD)
    if not np.array_equal(classes, np.arange(len(classes))):
        raise DataError(
            f"The labels '{name or 'y'}' are {_some(classes)}. Expected 0 to 4 ({', '.join(CLASS_NAMES)}), or 0 to the "
            "number of classes - 1 without a gap; renumber them."
        )
    return Labels(numbers, tuple(map(str, classes)))


def _encode_words(values: Array, name: str | None) -> Labels:
    words = np.array([str(value).strip() for value in values])
    lower = np.char.lower(words) if len(words) else words
    found = set(lower.tolist())
    numbers = {str(number) for number in range(len(CLASS_NAMES))}
    if found == numbers or (name == MAIN_HEAD and found <= numbers):
        return Labels(three_heads(words.astype(np.int64)), CLASS_NAMES, MAIN_HEAD)
    if found == set(CLASS_NAMES) or (name == MAIN_HEAD and found <= set(CLASS_NAMES)):
        return Labels(three_heads(np.array([CLASS_NAMES.index(word) for word in lower])), CLASS_NAMES, MAIN_HEAD)
    classes, codes = np.unique(words, return_inverse=True)
    return Labels(codes.astype(np.int64), tuple(classes.tolist()))


def _check_classes(values: Array) -> None:
    classes = np.unique(values)
    if len(classes) < 2:
        raise DataError(
            f"Every row has the label {classes[0] if len(classes) else '(none)'}. Expected at least two classes; "
            "choose another label column, or add the other classes' recordings."
        )
    if values.dtype.kind in "OUS" and len(classes) > max(2, len(values) / 2):
        raise DataError(
            f"The label has {len(classes)} different values in {len(values)} rows. Expected a few classes; choose "
            "another label column."
        )


def _rating(name: str, values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    outside = ~((values >= 1) & (values <= 9))
    if outside.any():
        raise DataError(
            f"{int(outside.sum())} {name} ratings are outside 1 to 9, first {values[outside][0]}. Expected "
            "self-assessments from 1 to 9; check the order of the label columns."
        )
    return values


def _not_whole(values: Array) -> Array:
    if values.dtype.kind != "f":
        return values
    return np.asarray(values[~(np.isfinite(values) & (values == np.round(values)))])


def _some(values: Any) -> str:
    shown = ", ".join(map(str, values[:8]))
    return shown + (", …" if len(values) > 8 else "")
