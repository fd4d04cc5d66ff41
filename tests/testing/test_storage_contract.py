"""The contract notices a record that does not keep it, whichever way."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from truetune.space import Hyperparameter, Space
from truetune.storage.database import sqlite_url
from truetune.storage.store import OptunaStore, create_store, open_store
from truetune.testing.storage_contract import Part, StorageContract
from truetune.trial import FreshRun, PlannedRun, Trial, TrialState


class ForgetsTheBudget(OptunaStore):
    def claim(self, most: int) -> int | None:
        return super().claim(most + 1)


class LosesDiscoveries(OptunaStore):
    def discover(self, key: str, hyperparameter: Hyperparameter) -> None:
        if key != "act":
            super().discover(key, hyperparameter)


class TrustsWhatItReads(OptunaStore):
    """Compares no checksum."""

    def trials(self) -> list[Trial]:
        from truetune.storage.optuna.trial_attributes import from_optuna

        storage, study = self._connection.storage, self._connection.study_id
        return [from_optuna(frozen) for frozen in storage.get_all_trials(study)]


class WritesWhatIsNotItsOwn(OptunaStore):
    def report(self, number: int, epoch: int, value: float) -> None:
        storage = self._connection.storage
        storage.set_trial_intermediate_value(self._seen.ids[number], epoch, value)


class TakesTwice(OptunaStore):
    def take(self, trial: Trial) -> bool:
        super().take(trial)
        return True


class RepeatsItself(OptunaStore):
    """Reports all that there is as a change."""

    def changes(self) -> list[Trial]:
        return self.trials()


class HandsRunsToAll(OptunaStore):
    def claim_fresh(self, planned: PlannedRun, alive: Collection[str]) -> bool:
        return super().claim_fresh(planned, ())


class DropsFreshRuns(OptunaStore):
    def archive(self) -> str:
        with self._connection.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM study_user_attributes WHERE key LIKE 'truetune:fresh:%%'")
        return super().archive()


class ForgetsPauses(OptunaStore):
    def thaw(self, trial: Trial) -> None:
        pass


class MiscountsAttempts(OptunaStore):
    def retry(self, number: int, attempt: int) -> None:
        super().retry(number, attempt + 1)


class DropsFoldScores(OptunaStore):
    def add_fresh(self, run: FreshRun) -> None:
        super().add_fresh(FreshRun(run.trial, run.repeat, run.stage, run.score, run.best))


class GivesBackAnything(OptunaStore):
    def give_back(self, number: int) -> bool:
        super().give_back(number)
        return True


class Immortal(OptunaStore):
    def leave(self) -> None:
        pass


class EndsOnce(OptunaStore):
    """Cannot tell its own end of a trial from another's."""

    def finish(self, trial: Trial, space: Space, history: Mapping[str, list[float]] | None = None) -> None:
        if self.trials()[trial.number].state is not TrialState.PAUSED:
            super().finish(trial, space, history)


class AddsNothing(OptunaStore):
    def add_value(self, number: int, key: str, hyperparameter: Hyperparameter, value: Any) -> None:
        pass


def broken(kind: type[OptunaStore], url: str, name: str) -> OptunaStore:
    made = create_store(url, name, "max", "val_accuracy")
    assert isinstance(made, OptunaStore)
    return kind(made._connection)


class BrokenContract(StorageContract):
    def __init__(self, kind: type[OptunaStore], folder: Path) -> None:
        self.kind, self.url = kind, sqlite_url(folder / "optuna.db")

    def maker(self) -> Any:
        return functools.partial(broken, self.kind, self.url)

    def opener(self) -> Any:
        return self.open

    def open(self, name: str) -> OptunaStore:
        found = open_store(self.url, name)
        assert isinstance(found, OptunaStore)
        return self.kind(found._connection)

    def damage(self, part: Part) -> None:
        assert part is Part.SCORE
        engine = sqlalchemy.create_engine(self.url)
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE trial_values SET value = 0.75")
        engine.dispose()


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (ForgetsTheBudget, "test_claims_count_without_gaps_and_end_with_the_budget"),
        (LosesDiscoveries, "test_the_description_and_discoveries_are_kept"),
        (TrustsWhatItReads, "test_a_changed_score_is_refused"),
        (WritesWhatIsNotItsOwn, "test_what_another_process_took_cannot_be_written_any_more"),
        (TakesTwice, "test_a_trial_is_taken_by_one_process"),
        (RepeatsItself, "test_changes_are_what_others_did"),
        (HandsRunsToAll, "test_a_fresh_run_is_claimed_once_while_its_owner_lives"),
        (DropsFreshRuns, "test_an_archived_study_is_kept_whole_and_its_name_is_free"),
        (ForgetsPauses, "test_a_paused_trial_goes_on"),
        (MiscountsAttempts, "test_attempts_are_counted_and_the_reports_of_earlier_ones_do_not_stay"),
        (DropsFoldScores, "test_fresh_runs_are_kept_in_order"),
        (GivesBackAnything, "test_only_the_latest_claim_can_be_given_back"),
        (Immortal, "test_the_owners_and_their_latest_beats_are_known"),
        (EndsOnce, "test_a_paused_trial_may_end_where_it_is"),
        (AddsNothing, "test_values_that_fit_asks_for_are_added"),
    ],
)
def test_a_broken_record_is_noticed(kind: type[OptunaStore], test: str, tmp_path: Path) -> None:
    contract = BrokenContract(kind, tmp_path)
    with pytest.raises(AssertionError):
        getattr(contract, test)()
