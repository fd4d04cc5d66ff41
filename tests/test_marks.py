"""What `-m` leaves out is not imported either."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

CONFTEST = Path(__file__).parent / "conftest.py"
HEAVY = (
    "import pytest\npytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures()]\nraise SystemExit('imported')\n"
)
LIGHT = "import pytest\n\ndef test_light(): pass\n\n@pytest.mark.tensorflow\ndef test_one_of_them(): pass\n"


def test_a_file_that_is_left_out_is_not_imported(tmp_path):
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    tensorflow: heavy\n")
    (tmp_path / "test_heavy.py").write_text(HEAVY)
    (tmp_path / "test_light.py").write_text(LIGHT)
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "--collect-only", "-m", "not tensorflow"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "<Function test_light>" in done.stdout
    assert "test_one_of_them>" not in done.stdout


@pytest.mark.parametrize(
    ("expression", "content", "is_left_out"),
    [
        ("not tensorflow", HEAVY, True),
        ("(not tensorflow) and not reliability and not slow", HEAVY, True),
        ("not reliability and not slow", HEAVY, False),
        ("tensorflow", HEAVY, False),
        ("slow or not tensorflow", HEAVY, False),
        ("not tensorflow", LIGHT, False),
        ("not usefixtures", "pytestmark = pytest.mark.usefixtures('here')\n", True),
    ],
)
def test_only_a_file_whose_own_mark_is_left_out(tmp_path, expression, content, is_left_out):
    path = tmp_path / "test_it.py"
    path.write_text(content)
    ignore = runpy.run_path(str(CONFTEST))["pytest_ignore_collect"]
    assert bool(ignore(path, SimpleNamespace(option=SimpleNamespace(markexpr=expression)))) == is_left_out
