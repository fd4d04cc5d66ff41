"""The test part is sealed once, found again, and belongs to its data."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.sealing.seal import seal
from truetune.errors import DataError, StudyError
from truetune.system.checksum import checksum


def data(n=40, shift=0.0):
    X = np.arange(n * 2, dtype="float32").reshape(n, 2) + np.float32(shift)
    return Dataset(X, np.arange(n) % 2, groups=np.arange(n) // 4)


def test_the_seal_is_found_again(tmp_path):
    path = tmp_path / "study" / "seal.json"
    made = seal(data(), path, seed=0)
    found = seal(data(), path, seed=0)
    assert (found.by, found.fingerprint, found.seed) == (made.by, made.fingerprint, made.seed)
    assert found.test_rows.tolist() == made.test_rows.tolist()
    assert sorted([*found.test_rows, *found.development_rows]) == list(range(40))
    assert made.by == "subject"


def test_the_parts_are_what_the_rows_say(tmp_path):
    sealed = seal(data(), tmp_path / "seal.json", seed=0)
    development = sealed.development(data())
    assert not set(data().groups[sealed.test_rows]) & set(development.groups)
    assert len(sealed.test_rows) + len(development) == 40
    assert not hasattr(sealed, "test")  # only the ledger gives test rows


def test_a_seal_outlives_another_seed(tmp_path):
    path = tmp_path / "seal.json"
    made = seal(data(), path, seed=0)
    assert seal(data(), path, seed=1).test_rows.tolist() == made.test_rows.tolist()


def test_the_users_own_test_part_is_sealed(tmp_path):
    own = Dataset(np.arange(4.0)[:, None], np.array([0, 1, 0, 1]), parts=np.array(["train", "train", "test", "test"]))
    sealed = seal(own, tmp_path / "seal.json", seed=0)
    assert (sealed.test_rows.tolist(), sealed.by) == ([2, 3], "given")


def weighted(weights):
    return replace(data(), sample_weight=weights)


@pytest.mark.parametrize(
    "other",
    [data(shift=1.0), data(n=20), data(n=80), weighted(np.ones(40))],
    ids=["values", "fewer", "more", "weights"],
)
def test_changed_data_are_refused_with_the_way_out(tmp_path, other):
    seal(data(), tmp_path / "seal.json", seed=0)
    with pytest.raises(StudyError, match=r"The data changed: .*--fresh .*--study-name"):
        seal(other, tmp_path / "seal.json", seed=0)


def test_changed_weights_are_changed_data_and_keep_their_test_part(tmp_path):
    """In another study of the directory: the same rows stay sealed, whatever they weigh."""
    made = seal(weighted(np.ones(40)), tmp_path / "tuning" / "a" / "seal.json", seed=0)
    with pytest.raises(StudyError, match=r"The data changed"):
        seal(weighted(np.full(40, 2.0)), tmp_path / "tuning" / "a" / "seal.json", seed=0)
    other = seal(weighted(np.full(40, 2.0)), tmp_path / "tuning" / "b" / "seal.json", seed=1)
    assert other.test_rows.tolist() == made.test_rows.tolist()


def test_a_test_part_that_weighs_nothing_is_refused_and_nothing_is_sealed(tmp_path):
    parts = np.repeat(["train", "test"], 20)
    nothing = replace(weighted(np.where(parts == "test", 0.0, 1.0)), parts=parts)
    with pytest.raises(DataError, match=r"sample_weight is 0 in all 20 rows of the test part"):
        seal(nothing, tmp_path / "seal.json", seed=0)
    assert not (tmp_path / "seal.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"fingerprint": "x"}',
        '{"fingerprint": "x", "by": "row", "seed": "?", "test_rows": [1]}',
        '{"fingerprint": "x", "by": "row", "seed": 0, "test_rows": ["a"]}',
    ],
)
def test_a_damaged_seal_is_refused(tmp_path, content):
    path = tmp_path / "seal.json"
    path.write_text(content)
    with pytest.raises(StudyError, match=r"is not a readable seal.*backup.*--fresh"):
        seal(data(), path, seed=0)


@pytest.mark.parametrize("rows", [[], [40], [-1], list(range(40)), [[1]], 3])
def test_test_rows_that_are_none_of_the_data_are_refused(tmp_path, rows):
    path = tmp_path / "seal.json"
    content = {"fingerprint": data().fingerprint(), "by": "row", "seed": 0, "test_rows": rows}
    content["checksum"] = checksum(content)
    path.write_text(json.dumps(content))
    with pytest.raises(StudyError, match=r"test rows are not a proper part of the 40 rows"):
        seal(data(), path, seed=0)


def test_a_changed_row_number_is_noticed(tmp_path):
    path = tmp_path / "seal.json"
    sealed = seal(data(), path, seed=0)
    text = path.read_text()
    row = str(sealed.test_rows[0])
    path.write_text(text.replace(f"[{row},", f"[{int(row) + 1},"))
    assert path.read_text() != text
    with pytest.raises(StudyError, match=r"checksum does not match"):
        seal(data(), path, seed=0)


def test_a_row_on_both_sides_is_refused_and_nothing_is_sealed(tmp_path):
    X = np.arange(80, dtype="float32").reshape(40, 2)
    X[1::2] = X[::2]
    parts = np.where(np.arange(40) < 31, "train", "test")
    with pytest.raises(DataError, match="the test part"):
        seal(Dataset(X, np.arange(40) % 2, parts=parts), tmp_path / "seal.json", seed=0)
    assert not (tmp_path / "seal.json").exists()
