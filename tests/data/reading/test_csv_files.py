"""Tables as people export them."""

import gzip

import pytest

from truetune.data.reading.csv_files import header, read_csv, tables_in
from truetune.errors import DataError


def test_a_subject_called_01_keeps_its_zero(tmp_path):
    (tmp_path / "a.csv").write_text("subject, x\n01, 2\n1, 3\n")
    table = read_csv(tmp_path / "a.csv")
    assert table["subject"].tolist() == ["01", "1"]
    assert table["x"].tolist() == [2, 3]


def test_compressed_and_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\ufeffimage, label\na.png, 0\n".encode()))
    assert header(path) == ["image", "label"]
    assert len(read_csv(path)) == 1


def test_labels_csv_describes_other_files(tmp_path):
    for name in ("labels.csv", "a.csv", "b.CSV", "notes.txt"):
        (tmp_path / name).write_text("a\n1\n")
    assert [file.name for file in tables_in(tmp_path)] == ["a.csv", "b.CSV"]
    assert tables_in(tmp_path / "labels.csv") == [tmp_path / "labels.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a,b\n", "has a header and no rows"),
        (b"a,b\n1,2\n1,2,3\n", "cannot be read"),
        (b"a,b\n1,2,3\n", "more fields than its header"),
        (b"a,b\n\xff\xfe,2\n", "cannot be read"),
    ],
)
def test_damaged(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_csv(tmp_path / "a.csv")
