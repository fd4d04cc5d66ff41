"""The study itself: its name, description, archive and re-trainings."""

from __future__ import annotations

from dataclasses import replace

from truetune.space import Space
from truetune.testing.storage_contract.base import STUDY, Part, StorageTests, raised, refusal
from truetune.testing.storage_contract.samples import FOLDED, every_kind, fresh, train


class StudyTests(StorageTests):
    """Studies are kept apart and whole, and damage is noticed."""

    def test_a_study_that_is_not_there_cannot_be_opened(self) -> None:
        assert raised(lambda: self.opener()("nowhere"), KeyError)
        with self.store():
            assert raised(lambda: self.opener()("nowhere"), KeyError)

    def test_a_new_study_is_empty(self) -> None:
        with self.store() as store:
            assert (store.meta, store.trials(), store.fresh_runs(), store.owners()) == ({}, [], [], {})
            assert (store.name, store.next_number, store.changes()) == (STUDY, 0, [])

    def test_studies_do_not_see_each_other(self) -> None:
        with self.store() as store, self.store("other") as other:
            other.set_meta({"method": "optuna"})
            train(other, 0)
            other.add_fresh(fresh())
            other.beat(1)
            assert (store.meta, store.trials(), store.fresh_runs(), store.owners()) == ({}, [], [], {})
            assert store.changes() == []
            assert store.claim(1) == 0

    def test_an_archived_study_is_kept_whole_and_its_name_is_free(self) -> None:
        with self.store() as store:
            store.set_meta({"method": "optuna"})
            store.discover("act", every_kind()["act"])
            trials = [train(store, 0, **FOLDED), train(store, 1)]
            store.add_fresh(fresh())
            meta, name = store.meta, store.archive()
        assert name != STUDY
        assert raised(lambda: self.opener()(STUDY), KeyError)
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
            train(store, 0)
            store.discard()
        assert raised(lambda: self.opener()(STUDY), KeyError)

    def test_the_description_and_discoveries_are_kept(self) -> None:
        with self.store() as store:
            store.set_meta({"method": "optuna", "seed": 1, "discovered": ["not this"]})
            store.discover("act", every_kind()["act"])
            store.discover("units", every_kind()["units"])
            store.set_meta({"method": "optuna", "seed": 2})
        with self.opened() as again:
            assert (again.meta["method"], again.meta["seed"]) == ("optuna", 2)
            assert [found["key"] for found in again.meta["discovered"]] == ["act", "units"]
            found = Space.from_config(again.meta["discovered"])
            assert (found["act"], found["units"]) == (every_kind()["act"], every_kind()["units"])

    def test_a_damaged_description_is_refused(self) -> None:
        with self.store() as store:
            store.set_meta({"method": "optuna", "seed": 1})
            self.damage(Part.DESCRIPTION)
            assert "description" in refusal(lambda: store.meta)

    def test_a_damaged_discovery_is_refused(self) -> None:
        with self.store() as store:
            store.discover("act", every_kind()["act"])
            self.damage(Part.DISCOVERY)
            assert "hyperparameter" in refusal(lambda: store.meta)

    def test_fresh_runs_are_kept_in_order(self) -> None:
        runs = [fresh(2, 0), fresh(0, 1), fresh(0, 0, "confirming"), fresh(0, 0, score=None)]
        with self.store() as store:
            for run in runs:
                store.add_fresh(run)
            store.add_fresh(replace(runs[1], score=0.75))
        with self.opened() as again:
            assert again.fresh_runs() == [runs[3], replace(runs[1], score=0.75), runs[0], runs[2]]

    def test_a_changed_fresh_run_is_refused(self) -> None:
        with self.store() as store:
            store.add_fresh(fresh())
            self.damage(Part.REEVALUATION)
            assert "re-training" in refusal(store.fresh_runs)
