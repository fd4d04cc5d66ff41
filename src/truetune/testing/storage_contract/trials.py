"""Trials as one process writes and reads them."""

from __future__ import annotations

from dataclasses import replace

from truetune.space import Space, Value
from truetune.testing.storage_contract.base import Part, StorageTests, refusal
from truetune.testing.storage_contract.samples import FOLDED, GRIDS, VALUES, every_kind, finished, running, train
from truetune.trial import Schedule, TrialState


class TrialTests(StorageTests):
    """Every trial is read as it was written, and damage is noticed."""

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
                train(store, 0),
                train(store, 1, state=TrialState.FAILED, score=None, reason="loss became nan", cause="not finite"),
                train(store, 2, state=TrialState.PRUNED, score=0.1),
                train(store, 3, state=TrialState.PAUSED, score=None),
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
            train(store, 0)
            store.finish(finished(), every_kind())
            assert store.trials() == [finished()]

    def test_a_paused_trial_goes_on(self) -> None:
        with self.store() as store:
            paused = train(store, 0, state=TrialState.PAUSED, score=None, reports={1: 0.25})
            assert store.trials() == [paused]
            store.thaw(replace(paused, state=TrialState.RUNNING, thawed_at=1))
            assert (store.trials()[0].state, store.trials()[0].thawed_at) == (TrialState.RUNNING, 1)
            store.report(0, 2, 0.5)
            ended = finished(reports={1: 0.25, 2: 0.5}, thawed_at=1)
            store.finish(ended, every_kind())
            assert store.trials() == [ended]

    def test_a_paused_trial_may_end_where_it_is(self) -> None:
        with self.store() as store:
            train(store, 0, state=TrialState.PAUSED, score=None)
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
            train(store, 0, **FOLDED)
            train(store, 1, **FOLDED)
        self.damage(part)
        with self.opened() as again:
            assert named in refusal(again.trials)
