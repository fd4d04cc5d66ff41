"""Emotions, their heads, and ratings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truetune.errors import DataError
from truetune.tasks.eeg_emotion.labels import AROUSAL, CLASS_NAMES, VALENCE, encode, from_ratings, three_heads

rating = st.floats(1, 9)


def test_the_three_heads_of_the_five_emotions():
    heads = three_heads(np.arange(5))
    assert heads["valence"].tolist() == [0, 1, 0, 1, 1]
    assert heads["arousal"].tolist() == [0, 1, 0, 0, 1]
    assert heads["emotion"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("valence", "arousal", "emotion"),
    [
        (5, 5, "neutral"),
        (5.9, 4.1, "neutral"),
        (8, 7, "happy"),
        (7, 7, "happy"),
        (6.5, 8, "focused"),
        (8, 2, "relaxed"),
        (2, 2, "sad"),
        (2, 8, "sad"),
    ],
)
def test_the_rule_for_ratings(valence, arousal, emotion):
    assert CLASS_NAMES[from_ratings(np.array([valence]), np.array([arousal]))["emotion"][0]] == emotion


@given(rating, rating)
def test_heads_are_thresholded_ratings_and_agree_with_the_table_where_documented(valence, arousal):
    heads = {name: int(values[0]) for name, values in from_ratings(np.array([valence]), np.array([arousal])).items()}
    assert heads["valence"] == (valence > 5)
    assert heads["arousal"] == (arousal > 5)
    emotion = CLASS_NAMES[heads["emotion"]]
    if emotion != "neutral":
        assert heads["valence"] == VALENCE[heads["emotion"]]
    if emotion not in ("neutral", "sad"):
        assert heads["arousal"] == AROUSAL[heads["emotion"]]


@pytest.mark.parametrize("value", [0, 9.5, np.nan, -1])
def test_ratings_off_the_scale_are_refused(value):
    with pytest.raises(DataError, match="outside 1 to 9"):
        from_ratings(np.array([5.0, value]), np.array([5.0, 5.0]))


def test_numbers_up_to_four_are_emotions():
    labels = encode(np.array([0, 1, 2, 4, 4, 3, 1, 0, 2, 3]))
    assert labels.main_output == "emotion"
    assert set(labels.y) == {"valence", "arousal", "emotion"}


@pytest.mark.parametrize("values", [list("01234") * 3, ["Happy", "sad", "neutral", "focused", "relaxed"] * 3])
def test_words_for_the_five_are_emotions(values):
    assert encode(np.array(values)).class_names == CLASS_NAMES


def test_a_column_called_emotion_may_lack_some():
    assert encode(np.array([0, 1, 0, 1]), "emotion").main_output == "emotion"
    assert encode(np.array([0, 1, 0, 1]), "label").main_output is None


def test_other_labels_are_plain():
    assert encode(np.array(["b", "a", "b", "a"])).y.tolist() == [1, 0, 1, 0]
    assert encode(np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])).class_names == ("0", "1", "2")


def test_one_head_can_be_chosen():
    heads = three_heads(np.arange(5))
    assert encode(heads, "arousal").class_names == ("low", "high")
    with pytest.raises(DataError, match="no label 'dominance'"):
        encode(heads, "dominance")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, 1.0], "hold 0.5"),
        ([np.nan, 1.0], "hold nan"),
        ([0, 1, -1], "-1, 0, 1"),
        ([0, 1, 2, 3, 4, 9], "without a gap"),
        ([1, 1, 1], "Every row has the label 1"),
        ([[0, 1], [1, 0]], "one-hot"),
        (list("abcdef"), "6 different values in 6 rows"),
    ],
)
def test_labels_that_are_none_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        encode(np.array(values))


def test_emotions_outside_the_five_are_refused():
    with pytest.raises(DataError, match="Expected 0 to 4: 0 neutral"):
        three_heads(np.array([0, 5]))
