"""Passwords of databases are in nothing that is shown."""

import pytest

from truetune.errors import StudyError
from truetune.storage.paths import StudyPlace
from truetune.storage.url import masked, parse_url, without_password
from truetune.study.options import SearchOptions


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///models/optuna.db", "sqlite:///models/optuna.db"),
        ("postgresql+psycopg://me:hunter2@host:99/db", "postgresql+psycopg://me:***@host:99/db"),
        ("postgresql://me:hunter%402@host/db?sslmode=require", "postgresql://me:***@host/db?sslmode=require"),
        ("postgresql:///db?host=h&password=hunter2", "postgresql:///db?host=h&password=***"),
        ("postgresql://me:hunt@er:2@host/db", "postgresql://***"),
        ("hunter2", "***"),
        ("host=h password=hunter2 dbname=x", "***"),
        ("me:hunter2@host/db", "***"),
    ],
)
def test_what_a_person_sees(url, shown):
    assert without_password(url) == shown


def test_a_password_with_unescaped_signs_is_refused_and_not_repeated():
    with pytest.raises(StudyError, match="%40 for @") as error:
        parse_url("postgresql://me:hunt@er:2@host/db")
    assert "er:2" not in str(error.value)
    assert error.value.__suppress_context__


@pytest.mark.parametrize("url", ["host=h password=hunter2 dbname=x", "hunter2", "hunter2:me@host/db", "://hunter2@h"])
def test_of_a_url_without_a_scheme_nothing_is_shown(url):
    with pytest.raises(StudyError, match="The storage URL is not valid") as error:
        parse_url(url)
    assert "hunter2" not in str(error.value)


def test_what_a_driver_repeats_is_masked_in_every_spelling():
    url = "postgresql://me:hunter%402@host/db"
    assert masked("refused hunter@2 and hunter%402 of me", url) == "refused *** and *** of me"


def test_nothing_that_holds_the_url_shows_it(tmp_path):
    url = "postgresql://me:hunter2@host/db"
    assert "hunter2" not in repr(SearchOptions(storage=url))
    assert "hunter2" not in repr(StudyPlace.of(tmp_path, "study", url))
