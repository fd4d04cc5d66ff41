"""The record keeps its contract in SQLite, and in PostgreSQL."""

from __future__ import annotations

import functools

import pytest
import sqlalchemy

from truetune.storage.database import sqlite_url
from truetune.storage.store import create_store, open_store
from truetune.testing import StorageContract
from truetune.testing.storage_contract import Part

CHANGES = {
    Part.SCORE: "UPDATE trial_values SET value = 0.875 WHERE trial_id = (SELECT MIN(trial_id) FROM trials)",
    Part.FOLD_METRIC: "UPDATE trial_user_attributes SET value_json = replace(value_json, '2.0', '1.9') "
    "WHERE key = 'fold_metrics' AND trial_id = (SELECT MIN(trial_id) FROM trials)",
    Part.TRIAL: "UPDATE trials SET number = 7 WHERE number = 0",
    Part.DESCRIPTION: "UPDATE study_user_attributes SET value_json = replace(value_json, 'optuna', 'optunb')",
    Part.DISCOVERY: "UPDATE study_user_attributes SET value_json = replace(value_json, 'act', 'act2')",
    Part.REEVALUATION: "UPDATE study_user_attributes SET value_json = replace(value_json, '0.5', '0.6')",
}


class DatabaseContract(StorageContract):
    """Both keep Optuna's tables."""

    url: str

    def maker(self):
        return functools.partial(create_store, self.url, direction="max", objective="val_accuracy")

    def opener(self):
        return functools.partial(open_store, self.url)

    def damage(self, part):
        engine = sqlalchemy.create_engine(self.url)
        with engine.begin() as connection:
            assert connection.exec_driver_sql(CHANGES[part]).rowcount == 1
        engine.dispose()


class TestSQLite(DatabaseContract):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path):
        self.url = sqlite_url(tmp_path / "optuna.db")


class TestPostgreSQL(DatabaseContract):
    @pytest.fixture(autouse=True)
    def _database(self, postgres):
        self.url = postgres
