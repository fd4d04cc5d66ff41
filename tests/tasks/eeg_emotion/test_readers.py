"""Which format a path is, and what is said where it is none."""

import subprocess
import sys

import numpy as np
import pytest

from truetune.errors import DataError
from truetune.tasks.eeg_emotion.readers import READERS, load


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("files", "said"), [([], "is an empty folder"), (["notes.txt", "b.jpg"], "holds b.jpg, notes.txt")]
)
def test_a_folder_of_no_format_lists_the_formats(tmp_path, files, said):
    for name in files:
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=said) as caught:
        load(tmp_path)
    assert all(reader.expects in str(caught.value) for reader in READERS.values())


@pytest.mark.parametrize("name", ["notes.txt", "no_suffix"])
def test_a_file_of_no_format(tmp_path, name):
    (tmp_path / name).write_bytes(b"123")
    with pytest.raises(DataError, match=r"\(3 bytes\)"):
        load(tmp_path / name)


@pytest.mark.parametrize("option", [{"sfreq": 0}, {"window_seconds": -1}, {"sfreq": float("nan")}])
def test_options_that_cannot_be(tmp_path, option):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 2)), y=[0, 1])
    with pytest.raises(DataError, match="Expected a positive number"):
        load(tmp_path, **option)


def test_importing_the_readers_is_light():
    code = (
        "import sys, truetune.tasks.eeg_emotion.readers, truetune.tasks.eeg_emotion.synthetic\n"
        "heavy = {'mne', 'pandas', 'scipy', 'sklearn', 'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
