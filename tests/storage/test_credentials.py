"""A URL without credentials, and which of its parameters are secret."""

import pytest

from truetune.storage.credentials import is_secret, strip_credentials
from truetune.storage.url import masked, without_password


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        ("sqlite:///models/tuning/optuna.db", "sqlite:///models/tuning/optuna.db"),
        ("sqlite:////home/me@host/a.db", "sqlite:////home/me@host/a.db"),
        ("postgresql+psycopg://me:secret@host:5432/db", "postgresql+psycopg://host:5432/db"),
        ("postgresql://me@host/db", "postgresql://host/db"),
        ("postgresql://me:se/cr?et@host/db", "postgresql://host/db"),
        ("postgresql://me:se@cret@host/db", "postgresql://host/db"),
        ("postgresql://host/db?user=me&password=secret&sslmode=require", "postgresql://host/db?sslmode=require"),
        ("journal.log", "journal.log"),
    ],
)
def test_a_url_without_user_password_and_tokens(url, stripped):
    assert strip_credentials(url) == stripped
    assert strip_credentials(stripped) == stripped


@pytest.mark.parametrize("name", ["password", "sslpassword", "PGPASS", "pwd", "secret", "token", "apikey", "oauth"])
def test_a_secret_parameter_is_hidden_stripped_and_masked_alike(name):
    url = f"postgresql://host/db?{name}=hunter2"
    assert is_secret(name)
    assert without_password(url) == f"postgresql://host/db?{name}=***"
    assert strip_credentials(url) == "postgresql://host/db"
    assert masked("refused hunter2", url) == "refused ***"


def test_other_parameters_are_shown():
    assert not is_secret("sslmode")
    assert strip_credentials("postgresql://host/db?sslmode=require") == "postgresql://host/db?sslmode=require"
