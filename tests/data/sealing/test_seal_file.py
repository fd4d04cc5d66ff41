"""`seal.json`: the same bytes as earlier versions wrote, and theirs are read."""

import json

import numpy as np
import pytest

from truetune.data.sealing.seal_file import SealFile, read_seal_file
from truetune.errors import StudyError

EARLIER = (
    '{"fingerprint": "ab12", "by": "row", "seed": 7, "test_rows": [1, 4], "row_hashes": [3, 9], '
    '"checksum": "164a17ff72fb1148c5b692dde17d2748"}\n'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study" / "seal.json"


def test_the_file_is_that_of_earlier_versions_byte_for_byte(path):
    SealFile("ab12", "row", 7, np.array([1, 4]), np.array([3, 9], dtype=np.uint64)).write(path)
    assert path.read_text() == EARLIER
    found = read_seal_file(path)
    assert (found.fingerprint, found.by, found.seed) == ("ab12", "row", 7)
    assert found.test_rows.tolist() == [1, 4]
    assert found.row_hashes.dtype == np.uint64
    assert found.row_hashes.tolist() == [3, 9]


def test_a_seal_from_before_the_hashes_has_none(path):
    path.parent.mkdir()
    content = {"fingerprint": "ab12", "by": "row", "seed": 7, "test_rows": [1, 4]}
    path.write_text(json.dumps({**content, "checksum": "b9a5d4e2543e27b6f6d54c4ccc2824ab"}))
    assert read_seal_file(path).row_hashes.tolist() == []


def test_a_missing_seal_is_named_with_what_to_do(path):
    with pytest.raises(StudyError, match=r"seal\.json is not a readable seal \(there is no such file\).*--fresh"):
        read_seal_file(path)
