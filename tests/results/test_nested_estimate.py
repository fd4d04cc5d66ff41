"""Measured outer folds in their files: read as written, also those of earlier versions."""

import numpy as np
import pytest

from truetune.errors import StudyError
from truetune.results.nested_estimate import OuterFold, read_fold, write_fold

FOLD = OuterFold("1 of 2", {"units": 8, "rate": 0.1}, 3, 4, 0.75, ([np.array([1.0, 2.0])],))
EARLIER = (
    '{"name": "1 of 2", "hyperparameters": {"units": 8, "rate": 0.1}, "epochs": 3, "n_test": 4, "score": 0.75, '
    '"states": [[[1.0, 2.0]]], "key": "k", "checksum": "b660a8865983dd01920ae50587bbadc1"}'
)


def is_fold(found):
    states = [[variable.tolist() for variable in state] for state in found.states]
    return {**vars(found), "states": states} == {**vars(FOLD), "states": [[[1.0, 2.0]]]}


def test_what_is_written_is_read_and_is_what_earlier_versions_wrote(tmp_path):
    path = tmp_path / "outer" / "1.json"
    write_fold(path, FOLD, "k")
    assert path.read_text().rstrip("\n") == EARLIER
    assert is_fold(read_fold(path, "k"))


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    path = tmp_path / "1.json"
    path.write_text(EARLIER)
    assert is_fold(read_fold(path, "k"))


def test_a_missing_fold_and_one_of_something_else_are_none(tmp_path):
    path = tmp_path / "1.json"
    assert read_fold(path, "k") is None
    path.write_text(EARLIER)
    assert read_fold(path, "another") is None


@pytest.mark.parametrize("change", [("0.75", "0.95"), ("}", ""), ('"name"', '"nome"')])
def test_a_damaged_fold_is_named_with_what_to_do(tmp_path, change):
    path = tmp_path / "1.json"
    path.write_text(EARLIER.replace(*change))
    with pytest.raises(StudyError, match=r"1\.json cannot be read .*only that fold will be measured again"):
        read_fold(path, "k")
