"""JSON files with a checksum: what is written is read, and anything else is refused with its reason."""

import json

import pytest

from truetune.errors import StorageError
from truetune.system.checked_json import (
    DamagedJson,
    ForeignJson,
    MissingJson,
    UnreadableJson,
    read_checked,
    write_checked,
)
from truetune.system.checksum import checksum

CONTENT = {"seed": 3, "rows": [0.1, 2, None], "name": "é"}


@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_written_is_read(tmp_path, indent):
    path = write_checked(tmp_path / "new" / "a.json", CONTENT, indent)
    assert read_checked(path, dict) == CONTENT
    assert json.loads(path.read_text()) == {**CONTENT, "checksum": checksum(CONTENT)}


def test_a_file_without_a_final_newline_or_with_other_spaces_is_read(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"checksum": checksum(CONTENT), **CONTENT}, indent=7))
    assert read_checked(path, dict) == CONTENT


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("", DamagedJson, "not JSON"),
        ('{"seed": 3', DamagedJson, "not JSON"),
        ("\xff", DamagedJson, "not JSON"),
        ("[" * 100_000, DamagedJson, "not JSON"),
        ("[1, 2]", ForeignJson, "no checksum"),
        ('{"seed": 3}', ForeignJson, "no checksum"),
        ('{"seed": 4, "checksum": "0"}', DamagedJson, "does not match"),
    ],
)
def test_a_file_that_was_changed_is_refused_with_the_reason(tmp_path, text, error, reason):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(error, match=reason):
        read_checked(path, dict)


def test_every_changed_byte_of_the_content_is_noticed(tmp_path):
    path = write_checked(tmp_path / "a.json", {"seed": 37})
    whole = path.read_bytes()
    for place in range(whole.index(b"}")):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(DamagedJson):
            read_checked(path, dict)


def test_content_of_another_kind_is_foreign(tmp_path):
    path = write_checked(tmp_path / "a.json", CONTENT)
    with pytest.raises(ForeignJson, match="KeyError: 'rowz'"):
        read_checked(path, lambda content: content["rowz"])


def test_a_missing_file_and_one_that_is_none(tmp_path):
    with pytest.raises(MissingJson, match="no such file"):
        read_checked(tmp_path / "a.json", dict)
    with pytest.raises(UnreadableJson):
        read_checked(tmp_path, dict)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_checked(tmp_path / "file" / "a.json", CONTENT)
