"""Study names stay in their folder, on every system; and the paths below it stay short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truetune.errors import InputError
from truetune.search.registry import ALGORITHMS
from truetune.storage.names import LONGEST_NAME, checked_study_name, default_study_name, ending_in
from truetune.study.options import SearchOptions

NASTY = [
    "../x", "..", ".", "", "/etc", "a/b", "a\\b", "C:x", "nul", "NUL.txt", "con", "Com1", "lpt9.log", "x.", ".x", "-rf",
    "a\x00b", "a\nb", "a b", "a∕b", "a／b", "a．．b", "é", "optuna.db", "optuna.db-wal",
    "x" * (LONGEST_NAME + 1), "~", "$HOME",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_nasty_names_are_refused(name):
    with pytest.raises(InputError, match="folder name"):
        SearchOptions(study_name=name)


@pytest.mark.parametrize("name", ["wider_space", "a", "2026-01-01", "v1.2", "x" * LONGEST_NAME, "console", "null"])
def test_ordinary_names_are_kept(name):
    assert checked_study_name(name) == name


@pytest.mark.parametrize("algorithm", ["../own", "a/b", "nul\x00"])
def test_the_name_of_a_searcher_of_ones_own_is_checked_too(algorithm):
    with pytest.raises(InputError, match="folder name"):
        default_study_name("task", algorithm, is_dummy=False)


@given(prefix=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,200}", fullmatch=True), is_dummy=st.booleans())
def test_names_of_tasks_are_cut_and_stay_apart(prefix, is_dummy):
    if prefix.lower().startswith(("con", "prn", "aux", "nul", "com", "lpt", "optuna")):
        return
    name = default_study_name(prefix, "hyperband", is_dummy)
    assert len(name) <= LONGEST_NAME
    assert name != default_study_name(f"{prefix}x", "hyperband", is_dummy)


def test_the_longest_default_name_is_not_cut():
    for algorithm in ALGORITHMS:
        options = SearchOptions(algorithm=algorithm.name)
        shown = "optuna" if algorithm.name == "tpe" else algorithm.name
        assert options.name_for("emotion_recognition", True) == f"emotion_recognition_{shown}_dummy"


def test_long_names_that_begin_alike_stay_apart_with_an_ending():
    one, other = ("a" * (LONGEST_NAME - 1) + last for last in "xy")
    assert len({ending_in(name, "_outer_10") for name in (one, other)}) == 2
    assert all(len(ending_in(name, "_outer_10")) == LONGEST_NAME for name in (one, other))
    assert ending_in("study", "_outer_1") == "study_outer_1"
