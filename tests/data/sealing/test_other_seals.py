"""One test part serves all studies of a directory, and none tunes on what another has sealed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.sealing.seal import seal
from truetune.errors import StudyError


def data(n=40, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 3)).astype("float32")
    return Dataset(X, np.arange(n) % 2)


def path(directory, study):
    return directory / "tuning" / study / "seal.json"


def archive(directory, study):
    """As --fresh does it."""
    (directory / "tuning" / study).rename(directory / "tuning" / f"{study}_archived_20260101T000000000000")


def test_a_second_study_of_the_same_data_takes_the_same_test_part_whatever_its_seed(tmp_path):
    first = seal(data(), path(tmp_path, "first"), seed=0)
    second = seal(data(), path(tmp_path, "second"), seed=1)
    alone = seal(data(), path(tmp_path / "elsewhere", "second"), seed=1)
    assert second.test_rows.tolist() == first.test_rows.tolist() != alone.test_rows.tolist()
    assert second.digest == first.digest != alone.digest
    assert second.seed == 1


def test_a_fresh_study_keeps_the_test_part_of_the_archived_one(tmp_path):
    first = seal(data(), path(tmp_path, "study"), seed=0)
    archive(tmp_path, "study")
    assert seal(data(), path(tmp_path, "study"), seed=1).digest == first.digest


def test_the_same_rows_under_other_labels_take_the_same_test_part(tmp_path):
    first = seal(data(), path(tmp_path, "valence"), seed=0)
    relabelled = replace(data(), y=np.arange(40) // 2 % 2)
    assert seal(relabelled, path(tmp_path, "arousal"), seed=1).test_rows.tolist() == first.test_rows.tolist()


def test_rows_that_another_study_has_sealed_are_not_tuned_on(tmp_path):
    first = seal(data(), path(tmp_path, "first"), seed=0)
    leaked = data().take(np.concatenate([first.test_rows[:3], first.development_rows]))
    own_test = replace(leaked, parts=np.where(np.arange(len(leaked)) < 30, "train", "test"))
    with pytest.raises(StudyError) as refusal:
        seal(own_test, path(tmp_path, "second"), seed=0)
    message = str(refusal.value)
    assert message.startswith("3 of the 30 rows that this search would tune on are test rows of study 'first'")
    for way_out in ("exactly the data of that study", "part 'test'", "another --directory"):
        assert way_out in message
    assert not path(tmp_path, "second").exists()


def test_the_ways_out_lead_out(tmp_path):
    first = seal(data(), path(tmp_path, "first"), seed=0)
    rows = np.concatenate([first.test_rows[:3], first.development_rows])
    parts = np.where(np.arange(len(rows)) < 6, "test", "train")
    assert seal(replace(data().take(rows), parts=parts), path(tmp_path, "parts"), seed=0).by == "given"
    parts = np.where(np.arange(len(rows)) < 30, "train", "test")
    other = replace(data().take(rows), parts=parts)
    assert len(seal(other, path(tmp_path / "elsewhere", "second"), seed=0).test_rows) == 5
    archive(tmp_path, "first")
    archive(tmp_path, "parts")
    assert len(seal(other, path(tmp_path, "second"), seed=0).test_rows) == 5


def test_other_data_are_sealed_by_their_own_seed(tmp_path):
    seal(data(), path(tmp_path, "first"), seed=0)
    other = seal(data(seed=1), path(tmp_path, "second"), seed=0)
    alone = seal(data(seed=1), path(tmp_path / "elsewhere", "second"), seed=0)
    assert other.test_rows.tolist() == alone.test_rows.tolist()


def test_a_test_part_that_would_split_a_group_is_not_taken(tmp_path):
    first = seal(data(), path(tmp_path, "first"), seed=0)
    together = np.zeros(40, dtype=int)
    together[first.test_rows[:4]] = together[first.development_rows[:16]] = 1
    with pytest.raises(StudyError, match="test rows of study 'first'"):
        seal(replace(data(), groups=together), path(tmp_path, "second"), seed=0)


def test_a_damaged_seal_beside_it_is_not_passed_over(tmp_path):
    seal(data(), path(tmp_path, "first"), seed=0)
    path(tmp_path, "first").write_text("{")
    with pytest.raises(StudyError, match=r"first.seal\.json is not a readable seal"):
        seal(data(), path(tmp_path, "second"), seed=0)


def test_seals_outside_a_directory_of_studies_stand_alone(tmp_path):
    first = seal(data(), tmp_path / "a" / "seal.json", seed=0)
    assert seal(data(), tmp_path / "b" / "seal.json", seed=1).digest != first.digest
