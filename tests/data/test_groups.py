"""Rows that belong together are declared, and then never on both sides of a split, at any level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from truetune.data.dataset import Dataset
from truetune.data.groups import looks_like_group, looks_like_person, mixing_note
from truetune.data.sealing.seal import seal
from truetune.data.splitting.protocols import PROTOCOLS, Protocol
from truetune.errors import DataError

LEVELS = ("subject", "session", "trial")
WHO = np.repeat([1, 2, 3], 4)


def dataset(**changes):
    X = np.arange(24, dtype="float32").reshape(12, 2)
    return replace(Dataset(X, np.arange(12) % 2), **changes)


def hierarchical():
    return dataset(groups={"subject": WHO, "session": np.tile([1, 1, 2, 2], 3), "trial": np.tile([1, 2], 6)})


# What looks like a person or a recording


@pytest.mark.parametrize(
    "name",
    [
        *("subject", "Subject", "SUBJ", "subject_id", "subjectID", "SubjectNr", "sub-01", "sid", "eeg_subject"),
        *(
            "participant_id",
            "participantId",
            "patient",
            "patient_code",
            "person",
            "user",
            "users",
            "userid",
            "patient_ids",
        ),
    ],
)
def test_names_of_persons(name):
    assert looks_like_person(name)


@pytest.mark.parametrize("name", ["session", "session_id", "trial", "TrialNumber", "recording"])
def test_names_of_recordings(name):
    assert looks_like_group(name)
    assert not looks_like_person(name)


@pytest.mark.parametrize(
    "name",
    [
        *("subjective_rating", "subjectivity", "patient_age", "user_rating", "n_subjects", "num_users", "alpha_sub"),
        *("trial_length", "personality", "session_duration", "id", "index", "label", "alpha_Fp1", "", "7"),
    ],
)
def test_names_of_something_else(name):
    assert not looks_like_group(name)


# Data that do not say


@pytest.mark.parametrize(
    "changes",
    [
        {"identities": {"device": np.arange(12) % 2, "participant_id": WHO}},
        {"X": {"eeg": np.zeros((12, 2)), "participant_id": WHO}},
        {"X": {"eeg": np.zeros((12, 2)), "participant_id": np.eye(3)[WHO - 1]}},
        {"levels": {"participant_id": WHO}},
        {"identities": {"session": WHO, "participant_id": np.array([f"p{i}" for i in WHO], dtype=object)}},
    ],
)
def test_a_column_that_looks_like_a_person_is_refused_with_both_ways_out(changes):
    with pytest.raises(DataError, match=r"'participant_id'.*both sides of a split") as caught:
        dataset(**changes).check()
    assert "--groups participant_id, in Python Dataset(groups=…)" in str(caught.value)
    assert "--rows-are-independent, in Python Dataset(rows_are_independent=True)" in str(caught.value)


def test_further_columns_are_named_and_recordings_are_called_recordings():
    with pytest.raises(DataError, match=r"'patient' .*The same holds for 'session'"):
        dataset(identities={"session": WHO, "patient": WHO}).check()
    with pytest.raises(DataError, match=r"'session' .* identifies the recording"):
        dataset(identities={"session": WHO}).check()


def test_both_ways_out_lead_out():
    data = dataset(identities={"participant_id": WHO})
    grouped = data.grouped_by("participant_id")
    grouped.check()
    assert grouped.groups.tolist() == WHO.tolist()
    independent = data.with_independent_rows()
    independent.check()
    assert independent.groups is None
    replace(data, groups=WHO).check()
    replace(data, rows_are_independent=True).check()


def test_an_input_can_be_the_group():
    data = dataset(X={"eeg": np.zeros((12, 2)), "user": WHO[:, None]})
    with pytest.raises(DataError, match="--groups user"):
        data.check()
    grouped = data.grouped_by("user")
    grouped.check()
    assert grouped.groups.tolist() == WHO.tolist()
    assert set(grouped.X) == {"eeg", "user"}


def test_columns_of_a_data_frame_and_fields_of_a_structured_array_count():
    subjects, values = np.arange(12) // 4, np.linspace(0, 1, 12)
    frame = pd.DataFrame({"subject": subjects, "alpha": values})
    fields = np.array(list(zip(subjects, values, strict=True)), dtype=[("subject", int), ("alpha", float)])
    for X in (frame, fields):
        data = Dataset(X, np.arange(12) % 2)
        with pytest.raises(DataError, match=r"^The column 'subject' looks as if .* --groups subject"):
            data.check()
        assert data.grouped_by("subject").groups.tolist() == subjects.tolist()
    Dataset(frame[["alpha"]], np.arange(12) % 2).check()
    Dataset(frame, np.arange(12) % 2, groups=subjects).check()


def test_a_column_with_another_value_in_each_row_groups_nothing():
    dataset(identities={"participant_id": np.arange(12)}).check()
    dataset(X={"eeg": np.zeros((12, 2)), "user": np.eye(12)}).check()
    dataset(identities={"device": WHO}).check()


def test_groups_and_independence_contradict_each_other():
    with pytest.raises(DataError, match=r"groups.*independent.*Expected only one"):
        dataset(groups=WHO, rows_are_independent=True).check()


def test_rows_without_a_group_are_refused():
    with pytest.raises(DataError, match=r"groups is missing in 1 of 12 rows, first in row 3"):
        dataset(groups=np.where(np.arange(12) == 3, np.nan, WHO)).check()


# Levels


def test_groups_are_the_coarsest_level():
    data = hierarchical()
    assert data.groups.tolist() == WHO.tolist()
    assert list(data.levels) == list(LEVELS)
    assert data.levels["trial"][:4].tolist() == ["1/1/1", "1/1/2", "1/2/1", "1/2/2"]
    assert dataset(groups=WHO).levels == {}
    assert dataset(groups=WHO.tolist()).groups.tolist() == WHO.tolist()


def test_levels_go_along_and_count():
    data = hierarchical()
    taken = data.take(np.array([11, 0]))
    assert taken.levels["session"].tolist() == ["3/2", "1/1"]
    assert replace(data, kind="other").levels["trial"].tolist() == data.levels["trial"].tolist()
    assert data.fingerprint() == hierarchical().fingerprint()
    assert len({data.fingerprint(), data.grouped_by("session").fingerprint(), dataset(groups=WHO).fingerprint()}) == 3


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="groups has 3 rows, but X has 12"):
        dataset(groups={"subject": [1, 2, 3]}).check()


def test_grouping_by_a_level_an_identity_or_nothing_known():
    data = replace(hierarchical(), identities={"device": np.arange(12) % 2, "trial": np.arange(12)})
    assert data.group_name == "subject"
    assert data.grouped_by("trial").groups.tolist() == data.levels["trial"].tolist()
    assert data.grouped_by("trial").group_name == "trial"
    assert data.grouped_by("device").groups.tolist() == [0, 1] * 6
    assert data.grouped_by("trial").grouped_by("subject").groups.tolist() == WHO.tolist()
    with pytest.raises(DataError, match=r"no 'sesion' .* one of: device, trial, subject, session"):
        data.grouped_by("sesion")
    with pytest.raises(DataError, match=r"to group them by\. Pass Dataset\(groups=…\)"):
        dataset().grouped_by("subject")


def test_the_name_of_groups():
    assert dataset().group_name is None
    assert dataset(groups=WHO).group_name == "subject"
    assert dataset(groups=WHO, identities={"patient": WHO}).group_name == "patient"


def test_finer_groups_are_noted():
    data = hierarchical()
    session = data.grouped_by("session")
    assert "rows of one subject may be on both sides" in str(mixing_note(session, session.group_name))
    assert mixing_note(data, data.group_name) is None
    assert mixing_note(dataset(), None) is None
    one_session_each = dataset(groups={"subject": WHO, "session": np.ones(12)}).grouped_by("session")
    assert mixing_note(one_session_each, "session") is None


def test_groups_that_cut_through_a_person_are_noted_without_levels_too():
    data = dataset(groups=np.arange(12) % 2, identities={"patient": WHO, "trial": np.arange(12) % 4})
    assert "rows of one patient" in str(mixing_note(data, "subject"))


# Splits


@st.composite
def nested(draw):
    """Up to eight subjects with up to three sessions, three trials and three windows, numbered anew in each."""
    count = st.integers(1, 3)
    rows = [
        (subject, session, trial)
        for subject in range(draw(st.integers(4, 8)))
        for session in range(draw(count))
        for trial in range(draw(count))
        for _ in range(draw(count))
    ]
    labels = draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows)))
    groups = dict(zip(LEVELS, np.array(rows).T, strict=True))
    return Dataset(np.arange(len(rows), dtype="float32")[:, None], np.array(labels), groups=groups)


def folds_of(data, protocol, seed):
    """The folds, or none where a class is in too few groups."""
    try:
        return Protocol(protocol, n_folds=3).folds(data, seed)
    except DataError as error:
        if "no sample of class" not in str(error):
            raise
        return ()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=40, deadline=None)
@for_all(nested(), st.sampled_from(LEVELS), st.integers(0, 1000))
def test_no_id_of_the_level_or_a_finer_one_is_on_both_sides(protocol, data, level, seed):
    data = data.grouped_by(level)
    for fold in folds_of(data, protocol, seed):
        assert fold.by == level
        assert not set(fold.train) & set(fold.validation)
        for finer in LEVELS[LEVELS.index(level) :]:
            ids = data.levels[finer]
            assert not set(ids[fold.train]) & set(ids[fold.validation]), finer


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=15, deadline=None)
@for_all(nested(), st.sampled_from(LEVELS), st.integers(0, 1000))
def test_the_same_seed_draws_the_same_folds(protocol, data, level, seed):
    data = data.grouped_by(level)
    for fold, again in zip(folds_of(data, protocol, seed), folds_of(data, protocol, seed), strict=True):
        assert fold.train.tolist() == again.train.tolist()
        assert fold.validation.tolist() == again.validation.tolist()


@pytest.mark.parametrize("level", LEVELS)
def test_the_seal_keeps_each_level(tmp_path, level):
    labels = np.arange(96) % 2
    groups = {"subject": np.arange(96) // 12, "session": np.arange(96) // 6 % 2, "trial": np.arange(96) // 2 % 3}
    data = Dataset(np.arange(96.0)[:, None], labels, groups=groups).grouped_by(level)
    sealed = seal(data, tmp_path / "seal.json", seed=1)
    assert sealed.by == level
    for finer in LEVELS[LEVELS.index(level) :]:
        ids = data.levels[finer]
        assert not set(ids[sealed.test_rows]) & set(ids[sealed.development_rows])
