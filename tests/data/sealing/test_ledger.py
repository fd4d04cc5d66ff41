"""Every look at the test part is counted, and only a look gives its rows."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.sealing.ledger import Read, ledger_path, note_outcome, open_test, reads_of
from truetune.data.sealing.seal import seal
from truetune.errors import StorageError, StudyError

VERIFY = Read("verify", "before", "after", (1, 2, 3))
OTHER = replace(VERIFY, after="other")


def data(shift=0.0):
    X = np.arange(80, dtype="float32").reshape(40, 2) + np.float32(shift)
    return Dataset(X, np.arange(40) % 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tuning" / "study" / "seal.json"


@pytest.fixture
def sealed(path):
    return seal(data(), path, seed=0)


def test_the_first_look_gives_the_test_rows_and_is_written_down(sealed, path):
    assert reads_of(path) == ()
    opened = open_test(sealed, data(), path, VERIFY)
    assert (data().X[sealed.test_rows] == opened.rows.X).all()
    assert (opened.n_earlier, opened.is_exploratory) == (0, False)
    (entered,) = reads_of(path)
    assert entered == opened.read
    assert entered.outcome is None
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(entered.time)
    assert 0 <= age.total_seconds() < 60


def test_the_outcome_is_written_beside_it(sealed, path):
    opened = open_test(sealed, data(), path, VERIFY)
    note_outcome(path, opened.read, "improved")
    assert reads_of(path) == (replace(opened.read, outcome="improved"),)


def test_a_second_look_is_exploratory(sealed, path):
    note_outcome(path, open_test(sealed, data(), path, VERIFY).read, "no evidence of improvement")
    for n_earlier, read in enumerate((OTHER, VERIFY), start=1):
        opened = open_test(sealed, data(), path, read)
        assert (opened.n_earlier, opened.is_exploratory) == (n_earlier, True)
        note_outcome(path, opened.read, "improved")
    assert len(reads_of(path)) == 3


def test_an_interrupted_look_that_is_taken_again_is_the_same(sealed, path):
    first = open_test(sealed, data(), path, VERIFY)
    again = open_test(sealed, data(), path, VERIFY)
    assert again.read == first.read
    assert not again.is_exploratory
    assert len(reads_of(path)) == 1


def test_another_question_after_an_interruption_is_a_second_look(sealed, path):
    open_test(sealed, data(), path, VERIFY)
    for question in (OTHER, replace(VERIFY, seeds=(1, 2, 3, 4)), replace(VERIFY, before="other")):
        assert open_test(sealed, data(), path, question).is_exploratory
    assert not open_test(sealed, data(), path, VERIFY).is_exploratory


def test_a_fresh_study_does_not_forget_the_looks(sealed, path):
    open_test(sealed, data(), path, VERIFY)
    path.parent.rename(path.parent.with_name("study_archived_20260101T000000000000"))
    assert open_test(seal(data(), path, seed=5), data(), path, VERIFY).n_earlier == 1


def test_other_studies_have_ledgers_of_their_own(sealed, path):
    open_test(sealed, data(), path, VERIFY)
    other = path.parent.with_name("other") / "seal.json"
    assert not open_test(seal(data(), other, seed=0), data(), other, VERIFY).is_exploratory


@pytest.mark.parametrize("damage", [lambda text: "", lambda text: text[:-20], lambda text: text.replace("verify", "x")])
def test_a_damaged_ledger_keeps_the_test_part_closed(sealed, path, damage):
    open_test(sealed, data(), path, VERIFY)
    file = ledger_path(path)
    file.write_text(damage(file.read_text()))
    with pytest.raises(StudyError, match=r"ledger of the test part.*backup.*--fresh"):
        open_test(sealed, data(), path, OTHER)


def test_a_ledger_that_cannot_be_written_keeps_the_test_part_closed(sealed, path):
    ledger_path(path).mkdir()
    with pytest.raises((StorageError, StudyError)):
        open_test(sealed, data(), path, VERIFY)


def test_other_data_are_not_opened_by_this_seal(sealed, path):
    with pytest.raises(StudyError, match="does not belong to these data"):
        open_test(sealed, data(shift=1.0), path, VERIFY)
    assert reads_of(path) == ()


def test_a_ledger_that_lost_the_read_is_said(sealed, path):
    opened = open_test(sealed, data(), path, VERIFY)
    ledger_path(path).unlink()
    with pytest.raises(StudyError, match="no longer contains the read"):
        note_outcome(path, opened.read, "improved")


def test_the_ledger_is_readable_by_a_person(sealed, path):
    open_test(sealed, data(), path, VERIFY)
    (entry,) = json.loads(ledger_path(path).read_text())["reads"]
    assert {name: entry[name] for name in ("purpose", "before", "after", "seeds", "outcome")} == {
        "purpose": "verify",
        "before": "before",
        "after": "after",
        "seeds": [1, 2, 3],
        "outcome": None,
    }


EARLIER = """\
{
  "reads": [
    {
      "purpose": "verify",
      "before": "a1",
      "after": "b2",
      "seeds": [
        5,
        6
      ],
      "time": "2026-01-02T03:04:05.000006+00:00",
      "outcome": null
    }
  ],
  "checksum": "%s"
}
"""


def test_a_ledger_of_an_earlier_version_is_read_and_written_as_it_was(sealed, path):
    ledger_path(path).write_text(EARLIER % "fe24ed32435a8ebad23759f6b80564fa")
    (read,) = reads_of(path)
    assert read == Read("verify", "a1", "b2", (5, 6), "2026-01-02T03:04:05.000006+00:00")
    note_outcome(path, read, "improved")
    written = (EARLIER % "22c7fd65a3c00146f9e979098b165c3c").replace("null", '"improved"')
    assert ledger_path(path).read_text() == written
