"""A task's formats, recognised in the order in which they are listed."""

import pytest

from truetune.data.reading.formats import Reader, detect, files_in, foreign
from truetune.errors import DataError


def reader(suffix):
    return Reader(f"pictures: *.{suffix}", lambda path: bool(files_in(path, suffix)), lambda path, options: None)


READERS = {"png": reader("png"), "jpg": reader("jpg")}


def test_the_first_that_recognises_a_folder(tmp_path):
    (tmp_path / "b.jpg").touch()
    assert detect(tmp_path, READERS) == "jpg"
    (tmp_path / "a.PNG").touch()
    assert detect(tmp_path, READERS) == "png"


def test_no_format_lists_what_is_there_and_what_is_expected(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"holds notes\.txt. Expected one of:\n  - pictures: \*\.png\n"):
        detect(tmp_path, READERS)


def test_nothing_there_names_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match="Expected a file or folder of face data; check the path"):
        detect(tmp_path / "nowhere", READERS, "face")
    with pytest.raises(DataError, match="Expected a file or folder of data;"):
        detect(tmp_path / "nowhere", READERS)


def test_hidden_files_are_none_of_them(tmp_path):
    for name in (".a.png", "._b.png", "c.png"):
        (tmp_path / name).touch()
    assert [file.name for file in files_in(tmp_path, ".png")] == ["c.png"]


def test_what_a_library_stumbles_over_is_an_error_of_the_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    with pytest.raises(DataError, match=r"a\.png cannot be read \(KeyError: 'width'\)\. Expected a picture;"):
        foreign(path, "a picture", lambda: {}["width"])
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.png is empty"):
        foreign(path, "a picture", lambda: 1)
