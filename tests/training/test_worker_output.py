"""What a worker prints is in its log; where that cannot be written, printing costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
from pathlib import Path
from truetune.training.worker_output import print_into

print("before")
print_into(Path(sys.argv[1]))
for i in range(3):
    print("a line of the builder", i)
print("a warning", file=sys.stderr, flush=True)
os.write(1, b"what TensorFlow prints\\n") if sys.argv[1] != "/dev/full" else None
print("x" * 100_000, flush=True)
"""


def run(log):
    return subprocess.run([sys.executable, "-c", CODE, str(log)], capture_output=True, text=True, timeout=60)


def test_all_output_is_in_the_log(tmp_path):
    done = run(tmp_path / "worker.log")
    assert (done.returncode, done.stdout, done.stderr) == (0, "before\n", "")
    text = (tmp_path / "worker.log").read_text()
    assert text.startswith("a line of the builder 0\na line of the builder 1\n")
    assert "a warning\nwhat TensorFlow prints\n" in text
    assert text.endswith("x" * 100_000 + "\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_disk_that_is_full(tmp_path):
    assert run("/dev/full").returncode == 0


def test_a_log_that_cannot_be_opened(tmp_path):
    assert run(tmp_path / "no such folder" / "worker.log").returncode == 0
