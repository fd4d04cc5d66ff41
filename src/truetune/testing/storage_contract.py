"""What every record of studies must do, as tests to inherit::

class TestMine(StorageContract):
    def maker(self):
        return functools.partial(create_my_store, self.address)

    def opener(self):
        return functools.partial(open_my_store, self.address)

    def damage(self, part):
        ...

Each test needs an empty place to write to: set it up in a fixture with `autouse=True`.
"""

from __future__ import annotations

import abc
import enum
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from truetune.errors import StudyError
from truetune.space import Condition, Hyperparameter, Space, Value
from truetune.storage.base import LostTrial, Store
from truetune.trial import FreshRun, Schedule, Trial, TrialState

Maker = Callable[[str], Store]

PROCESSES = 3
STUDY = "study"


class Part(enum.StrEnum):
    """What a test wants damaged, behind the store's back."""

    SCORE = "the score of trial 0 becomes another number"
    FOLD_METRIC = "a number of trial 0's `fold_metrics` becomes another one"
    TRIAL = "trial 0 is missing, or has another number"
    DESCRIPTION = "the method in the study's description becomes another word"
    DISCOVERY = "the name of a discovered hyperparameter becomes another one"
    REEVALUATION = "the score of a fresh run becomes another number"


def every_kind() -> Space:
    """Every kind of hyperparameter, and a second branch of one."""
    made = Space()
    made.add(Hyperparameter("Int", "units", 32, low=32, high=256, step=32))
    made.add(Hyperparameter("Float", "rate", 1e-3, low=1e-5, high=1e-1, step=10, sampling="log"))
    made.add(Hyperparameter("Choice", "act", "relu", choices=("relu", "tanh")))
    made.add(Hyperparameter("Choice", "batch", 16, choices=(16, 32, 64)))
    made.add(Hyperparameter("Boolean", "lstm", False))
    made.add(Hyperparameter("Fixed", "version", 3, choices=(3,)))
    made.add(Hyperparameter("Int", "units", 8, low=8, high=16, step=1, conditions=(Condition("lstm", (True,)),)))
    return made


VALUES: dict[str, Value] = {
    "units": 64,
    "rate": 1e-4,
    "act": "tanh",
    "batch": 32,
    "lstm": True,
    "version": 3,
    "units@lstm=True": 9,
}

GRIDS = (
    Hyperparameter("Float", "x", 0.1, low=0.1, high=0.3, step=0.1),
    Hyperparameter("Float", "x", 0.0, low=0.0, high=0.7, step=0.05),
    Hyperparameter("Float", "x", 1e-5, low=1e-5, high=1e-1, step=10, sampling="log"),
    Hyperparameter("Int", "x", 2, low=2, high=300, step=2, sampling="log"),
    Hyperparameter("Int", "x", 1, low=1, high=16, step=2, sampling="reverse_log"),
    Hyperparameter("Int", "x", 1, low=1, high=10, step=4),
)

FOLDED: dict[str, Any] = {
    "fold_scores": (0.25, 0.75),
    "metrics": {"accuracy": 0.5, "loss": 1.5},
    "fold_metrics": {"accuracy": (0.25, 0.75), "loss": (2.0, 1.0)},
}


def running(number: int = 0, **changes: Any) -> Trial:
    """A trial whose model is built."""
    fields: dict[str, Any] = {"values": VALUES, "seed": 7, "parameters": 1234} | changes
    return Trial(number, TrialState.RUNNING, **fields)


def finished(
    number: int = 0, state: TrialState = TrialState.COMPLETE, score: float | None = 0.5, **changes: Any
) -> Trial:
    """The same trial after its end."""
    fields: dict[str, Any] = {"epochs": 3, "best_epoch": 2, "seconds": 1.5} | changes
    return replace(running(number), state=state, score=score, **fields)


def fresh(trial: int = 0, repeat: int = 0, stage: str = "choosing", score: float | None = 0.5) -> FreshRun:
    """A fresh run of a finalist."""
    return FreshRun(trial, repeat, stage, score, score, seconds=2.0, fold_scores=(0.25, 0.75))


class StorageContract(abc.ABC):
    """Inherit, and say how a store is made."""

    @abc.abstractmethod
    def maker(self) -> Maker:
        """What makes the study of a name, or joins it where it is there; each call is another owner.

        It is pickled for the tests that start processes.
        """

    @abc.abstractmethod
    def opener(self) -> Maker:
        """What opens the study of a name; KeyError where there is none."""

    @abc.abstractmethod
    def damage(self, part: Part) -> None:
        """Change what is kept of the study `STUDY`, as a broken disk would."""

    # What the tests are made of

    @contextmanager
    def stores(self, count: int) -> Iterator[list[Store]]:
        """Several processes on the study `STUDY`, played by one."""
        with ExitStack() as stack:
            made = []
            for _ in range(count):
                made.append(self.maker()(STUDY))
                stack.callback(made[-1].close)
            yield made

    @contextmanager
    def store(self) -> Iterator[Store]:
        with self.stores(1) as (made,):
            yield made

    @contextmanager
    def opened(self, name: str = STUDY) -> Iterator[Store]:
        store = self.opener()(name)
        try:
            yield store
        finally:
            store.close()

    # The contract: the study

    def test_a_study_that_is_not_there_cannot_be_opened(self) -> None:
        assert _raised(lambda: self.opener()("nowhere"), KeyError)
        with self.store():
            assert _raised(lambda: self.opener()("nowhere"), KeyError)

    def test_a_new_study_is_empty(self) -> None:
        with self.store() as store:
            assert (store.meta, store.trials(), store.fresh_runs(), store.owners()) == ({}, [], [], {})
            assert (store.name, store.next_number, store.changes()) == (STUDY, 0, [])

    def test_studies_do_not_see_each_other(self) -> None:
        with self.store() as store, self.maker_of("other") as other:
            other.set_meta({"method": "optuna"})
            _train(other, 0)
            other.add_fresh(fresh())
            other.beat(1)
            assert (store.meta, store.trials(), store.fresh_runs(), store.owners()) == ({}, [], [], {})
            assert store.changes() == []
            assert store.claim(1) == 0

    @contextmanager
    def maker_of(self, name: str) -> Iterator[Store]:
        store = self.maker()(name)
        try:
            yield store
        finally:
            store.close()

    def test_an_archived_study_is_kept_whole_and_its_name_is_free(self) -> None:
        with self.store() as store:
            store.set_meta({"method": "optuna"})
            store.discover("act", every_kind()["act"])
            trials = [_train(store, 0, **FOLDED), _train(store, 1)]
            store.add_fresh(fresh())
            meta, name = store.meta, store.archive()
        assert name != STUDY
        assert _raised(lambda: self.opener()(STUDY), KeyError)
        with self.opened(name) as kept:
            assert (kept.trials(), kept.meta, kept.fresh_runs()) == (trials, meta, [fresh()])
        with self.store() as store:
            assert (store.trials(), store.meta) == ([], {})

    def test_archives_do_not_collide(self) -> None:
        names = set()
        for _ in range(3):
            with self.store() as store:
                names.add(store.archive())
        assert len(names) == 3

    def test_a_discarded_study_is_gone(self) -> None:
        with self.store() as store:
            _train(store, 0)
            store.discard()
        assert _raised(lambda: self.opener()(STUDY), KeyError)

    # The contract: metadata

    def test_the_description_and_discoveries_are_kept(self) -> None:
        with self.store() as store:
            store.set_meta({"method": "optuna", "seed": 1, "discovered": ["not this"]})
            store.discover("act", every_kind()["act"])
            store.discover("units", every_kind()["units"])
            store.set_meta({"method": "optuna", "seed": 2})
        with self.opened() as again:
            assert (again.meta["method"], again.meta["seed"]) == ("optuna", 2)
            found = Space.from_config(again.meta["discovered"])
            assert (found["act"], found["units"]) == (every_kind()["act"], every_kind()["units"])

    def test_a_damaged_description_is_refused(self) -> None:
        with self.store() as store:
            store.set_meta({"method": "optuna", "seed": 1})
            self.damage(Part.DESCRIPTION)
            assert "description" in _refused(lambda: store.meta)

    def test_a_damaged_discovery_is_refused(self) -> None:
        with self.store() as store:
            store.discover("act", every_kind()["act"])
            self.damage(Part.DISCOVERY)
            assert "hyperparameter" in _refused(lambda: store.meta)

    # The contract: trials

    def test_a_trial_is_found_as_it_was_written(self) -> None:
        schedule = Schedule(epochs=9, initial_epoch=3, parent=None, bracket=1, round=2)
        with self.store() as store:
            store.start(running(schedule=schedule), every_kind())
            assert store.trials() == [running(schedule=schedule)]
            store.report(0, 1, 0.25)
            store.report(0, 2, 0.5)
            assert store.trials()[0].reports == {1: 0.25, 2: 0.5}
            ended = finished(schedule=schedule, reports={1: 0.25, 2: 0.5}, **FOLDED)
            store.finish(ended, every_kind(), {"loss": [2.0, 1.0]})
            assert store.trials() == [ended]
        with self.opened() as again:
            assert again.trials() == [ended]
            found = again.trials()[0].values
            assert {key: type(value) for key, value in found.items()} == {k: type(v) for k, v in VALUES.items()}

    def test_every_end_of_a_trial_is_kept(self) -> None:
        with self.store() as store:
            ended = [
                _train(store, 0),
                _train(store, 1, state=TrialState.FAILED, score=None, reason="loss became nan", cause="not finite"),
                _train(store, 2, state=TrialState.PRUNED, score=0.1),
                _train(store, 3, state=TrialState.PAUSED, score=None),
            ]
        with self.opened() as again:
            assert again.trials() == ended

    def test_every_value_of_a_grid_can_be_recorded(self) -> None:
        with self.store() as store:
            recorded: list[Value] = []
            for hyperparameter in GRIDS:
                for value in hyperparameter.grid() or ():
                    store.start(running(len(recorded), values={"x": value}), Space({"x": hyperparameter}))
                    recorded.append(value)
            assert [trial.values["x"] for trial in store.trials()] == recorded

    def test_values_that_fit_asks_for_are_added(self) -> None:
        with self.store() as store:
            store.start(running(values={"units": 64}), every_kind())
            store.add_value(0, "batch", every_kind()["batch"], 32)
            assert store.trials()[0].values == {"units": 64, "batch": 32}

    def test_attempts_are_counted_and_the_reports_of_earlier_ones_do_not_stay(self) -> None:
        with self.store() as store:
            store.start(running(), every_kind())
            for epoch in (1, 2, 3):
                store.report(0, epoch, 0.25)
            store.retry(0, 2)
            assert store.trials()[0].attempt == 2
            ended = finished(reports={1: 0.25, 2: 0.5}, attempt=2)
            store.finish(ended, every_kind())
            assert store.trials() == [ended]

    def test_an_end_may_be_written_twice(self) -> None:
        """It is not always known whether a write was done."""
        with self.store() as store:
            _train(store, 0)
            store.finish(finished(), every_kind())
            assert store.trials() == [finished()]

    def test_a_paused_trial_goes_on(self) -> None:
        with self.store() as store:
            paused = _train(store, 0, state=TrialState.PAUSED, score=None, reports={1: 0.25})
            assert store.trials() == [paused]
            store.thaw(replace(paused, state=TrialState.RUNNING, thawed_at=1))
            assert (store.trials()[0].state, store.trials()[0].thawed_at) == (TrialState.RUNNING, 1)
            store.report(0, 2, 0.5)
            ended = finished(reports={1: 0.25, 2: 0.5}, thawed_at=1)
            store.finish(ended, every_kind())
            assert store.trials() == [ended]

    def test_a_paused_trial_may_end_where_it_is(self) -> None:
        with self.store() as store:
            _train(store, 0, state=TrialState.PAUSED, score=None)
            store.finish(finished(state=TrialState.PRUNED), every_kind())
            assert store.trials() == [finished(state=TrialState.PRUNED)]

    def test_a_changed_score_is_refused(self) -> None:
        self._check_refused(Part.SCORE, "trial 0")

    def test_a_changed_metric_of_a_fold_is_refused(self) -> None:
        self._check_refused(Part.FOLD_METRIC, "trial 0")

    def test_a_missing_trial_is_refused(self) -> None:
        self._check_refused(Part.TRIAL, "trials")

    def _check_refused(self, part: Part, named: str) -> None:
        with self.store() as store:
            _train(store, 0, **FOLDED)
            _train(store, 1, **FOLDED)
        self.damage(part)
        with self.opened() as again:
            assert named in _refused(again.trials)

    # The contract: whose a trial is

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
                claimed = list(pool.map(_claim_all, [self.maker()] * PROCESSES, [30] * PROCESSES))
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
            assert "another process" in _refused(lambda: store.start(running(), every_kind()))

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
                assert _raised(write, LostTrial)
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
            _train(store, 1)
            store.free()
            left = other.trials()
            assert [trial.owner for trial in left] == ["", store.owner.token]
            assert other.take(left[0])
            assert _raised(lambda: store.report(0, 1, 0.5), LostTrial)

    def test_a_trial_that_ended_is_not_taken(self) -> None:
        with self.stores(2) as (store, other):
            store.start(running(), every_kind())
            (seen,) = other.trials()
            store.finish(finished(), every_kind())
            assert not other.take(seen)

    # The contract: what others do

    def test_changes_are_what_others_did(self) -> None:
        with self.stores(2) as (store, other):
            assert other.claim(9) == 0
            assert [(trial.number, trial.is_built) for trial in store.changes()] == [(0, False)]
            other.start(running(), every_kind())
            assert store.changes() == [running()]
            _train(store, 1)
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

    # The contract: re-evaluations

    def test_fresh_runs_are_kept_in_order(self) -> None:
        runs = [fresh(2, 0), fresh(0, 1), fresh(0, 0, "confirming"), fresh(0, 0, score=None)]
        with self.store() as store:
            for run in runs:
                store.add_fresh(run)
            store.add_fresh(replace(runs[1], score=0.75))
        with self.opened() as again:
            assert again.fresh_runs() == [runs[3], replace(runs[1], score=0.75), runs[0], runs[2]]

    def test_a_fresh_run_is_claimed_once_while_its_owner_lives(self) -> None:
        with self.stores(2) as (store, other):
            alive = [store.owner.token, other.owner.token]
            assert store.claim_fresh(fresh().planned, alive)
            assert not other.claim_fresh(fresh().planned, alive)
            assert store.claim_fresh(fresh().planned, alive)
            assert other.claim_fresh(fresh(repeat=1).planned, alive)
            assert other.claim_fresh(fresh().planned, [other.owner.token])
            assert not store.claim_fresh(fresh().planned, alive)

    def test_a_changed_fresh_run_is_refused(self) -> None:
        with self.store() as store:
            store.add_fresh(fresh())
            self.damage(Part.REEVALUATION)
            assert "fresh run" in _refused(store.fresh_runs)


def _train(store: Store, number: int, **changes: Any) -> Trial:
    """Start a trial and end it; returns what was written."""
    store.start(running(number), every_kind())
    ended = finished(number, **changes)
    store.finish(ended, every_kind(), {"loss": [1.0]})
    return ended


def _claim_all(make: Maker, most: int) -> list[int]:
    """All numbers that a process gets, until there are `most`."""
    store, numbers = make(STUDY), []
    while (number := store.claim(most)) is not None:
        numbers.append(number)
    store.close()
    return numbers


def _raised(action: Callable[[], Any], kind: type[Exception]) -> bool:
    try:
        action()
    except kind:
        return True
    return False


def _refused(action: Callable[[], Any]) -> str:
    """The message of the StudyError that `action` raises; "" where it raises none."""
    try:
        action()
    except StudyError as error:
        return str(error)
    return ""
