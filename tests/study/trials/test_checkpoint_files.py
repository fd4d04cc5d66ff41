"""The names of checkpoints."""

import re
from pathlib import Path

import pytest

from truetune.study.trials.checkpoint_files import FILES, Checkpoints


@pytest.mark.parametrize("number", [0, 12, 123456])
def test_a_file_tells_which_trial_it_is_of(number):
    """`truetune clean` finds the files of ended trials by this pattern."""
    checkpoints = Checkpoints.of(Path("checkpoints"), [])
    for file in (checkpoints.path(number), checkpoints.fold_path(number, 4)):
        assert int(re.fullmatch(FILES, file.name)["number"]) == number
