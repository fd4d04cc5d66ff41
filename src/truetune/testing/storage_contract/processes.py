"""A study that several processes share."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from truetune.storage.base import LostTrial
from truetune.testing.storage_contract.base import STUDY, Maker, StorageTests, raised, refusal
from truetune.testing.storage_contract.samples import every_kind, finished, fresh, running, train

PROCESSES = 3


class ProcessTests(StorageTests):
    """Each trial has one owner, and each process learns of the others' trials."""

    def test_claims_count_without_gaps_and_end_with_the_budget(self) -> None:
        with self.stores(2) as (store, other):
            claimed = [store.claim(3), other.claim(3), store.claim(3), other.claim(3), store.claim(3)]
            assert claimed == [0, 1, 2, None, None]
            assert store.claim(4) == 3
            assert {trial.owner for trial in store.trials()} == {store.owner.token, other.owner.token}

    def test_processes_that_claim_at_once_get_every_number_once(self) -> None:
        with self.store():
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
                claimed = list(pool.map(claim_all, [self.maker()] * PROCESSES, [30] * PROCESSES))
        assert sorted(number for numbers in claimed for number in numbers) == list(range(30))

    def test_only_the_latest_claim_can_be_given_back(self) -> None:
        with self.stores(2) as (store, other):
            assert [store.claim(3), other.claim(3), store.claim(3)] == [0, 1, 2]
            assert not store.give_back(0)
            assert store.give_back(2)
            assert [trial.number for trial in other.trials()] == [0, 1]
            assert other.claim(3) == 2

    def test_a_number_that_another_process_started_is_refused(self) -> None:
        with self.stores(2) as (store, other):
            other.start(running(), every_kind())
            assert "another process" in refusal(lambda: store.start(running(), every_kind()))

    def test_what_another_process_took_cannot_be_written_any_more(self) -> None:
        with self.stores(2) as (store, other):
            store.start(running(), every_kind())
            assert other.take(other.trials()[0])
            assert not other.take(replace(other.trials()[0], owner="neither"))
            for write in (
                lambda: store.report(0, 1, 0.5),
                lambda: store.add_value(0, "batch", every_kind()["batch"], 32),
                lambda: store.finish(finished(), every_kind()),
                lambda: store.retry(0, 5),
                lambda: store.start(running(), every_kind()),
            ):
                assert raised(write, LostTrial)
            other.finish(finished(attempt=1), every_kind())
            assert store.trials() == [finished(attempt=1)]

    def test_a_trial_is_taken_by_one_process(self) -> None:
        with self.stores(3) as (store, second, third):
            store.start(running(), every_kind())
            (left,), (same,) = second.trials(), third.trials()
            assert second.take(left)
            assert not third.take(same)
            assert third.trials()[0].attempt == 1

    def test_what_is_left_goes_to_whoever_comes_next(self) -> None:
        with self.stores(2) as (store, other):
            store.start(running(), every_kind())
            train(store, 1)
            store.free()
            left = other.trials()
            assert [trial.owner for trial in left] == ["", store.owner.token]
            assert other.take(left[0])
            assert raised(lambda: store.report(0, 1, 0.5), LostTrial)

    def test_a_trial_that_ended_is_not_taken(self) -> None:
        with self.stores(2) as (store, other):
            store.start(running(), every_kind())
            (seen,) = other.trials()
            store.finish(finished(), every_kind())
            assert not other.take(seen)

    def test_changes_are_what_others_did(self) -> None:
        with self.stores(2) as (store, other):
            assert other.claim(9) == 0
            assert [(trial.number, trial.is_built) for trial in store.changes()] == [(0, False)]
            other.start(running(), every_kind())
            assert store.changes() == [running()]
            train(store, 1)
            other.finish(finished(), every_kind())
            assert store.changes() == [finished()]
            assert store.changes() == []
            assert store.next_number == 2
            assert other.changes() == [finished(1)]

    def test_numbers_that_others_were_given_before_ours_are_changes_too(self) -> None:
        with self.stores(2) as (store, other):
            assert [other.claim(9), store.claim(9)] == [0, 1]
            assert [trial.number for trial in store.changes()] == [0]

    def test_a_lost_trial_is_a_change_once_it_is_left_to_others(self) -> None:
        with self.stores(2) as (store, other):
            store.start(running(), every_kind())
            assert other.take(other.trials()[0])
            other.finish(finished(attempt=1), every_kind())
            assert store.changes() == []
            store.leave_to_others(0)
            assert store.changes() == [finished(attempt=1)]

    def test_the_owners_and_their_latest_beats_are_known(self) -> None:
        with self.stores(2) as (store, other):
            for count in (0, 1):
                store.beat(count)
            other.beat(7)
            assert store.owners() == {store.owner.token: (store.owner, 1), other.owner.token: (other.owner, 7)}
            other.forget([store.owner.token])
            assert set(store.owners()) == {other.owner.token}
            other.leave()
            assert store.owners() == {}

    def test_a_fresh_run_is_claimed_once_while_its_owner_lives(self) -> None:
        with self.stores(2) as (store, other):
            alive = [store.owner.token, other.owner.token]
            assert store.claim_fresh(fresh().planned, alive)
            assert not other.claim_fresh(fresh().planned, alive)
            assert store.claim_fresh(fresh().planned, alive)
            assert other.claim_fresh(fresh(repeat=1).planned, alive)
            assert other.claim_fresh(fresh().planned, [other.owner.token])
            assert not store.claim_fresh(fresh().planned, alive)


def claim_all(make: Maker, most: int) -> list[int]:
    """The numbers that one process gets until there are `most` trials."""
    store, numbers = make(STUDY), []
    while (number := store.claim(most)) is not None:
        numbers.append(number)
    store.close()
    return numbers
