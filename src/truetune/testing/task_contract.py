"""What every task keeps to. Subclass it in your own tests::

class TestMyTask(TaskContract):
    def make(self) -> Task:
        return my_task()
"""

from __future__ import annotations

import abc
import functools
from pathlib import Path
from typing import Any

import numpy as np

from truetune.data.dataset import Dataset
from truetune.data.sealing.seal import seal
from truetune.data.splitting.protocols import Protocol
from truetune.space import Hyperparameter, Space, Value
from truetune.task import Task


class TaskContract(abc.ABC):
    """Needs TensorFlow; keep the task's data small."""

    @abc.abstractmethod
    def make(self) -> Task:
        """The task, made anew."""

    def test_parts_are_disjoint_and_hold_every_class(self, tmp_path: Path) -> None:
        dataset = self.make().load()
        sealed = seal(dataset, tmp_path / "seal.json", seed=0)
        train, validation = _held_out(sealed.development(dataset))
        assert len(train) + len(validation) + len(sealed.test_rows) == len(dataset)
        if dataset.groups is not None:
            test_groups = set(dataset.groups[sealed.test_rows].tolist())
            assert train.groups is not None
            assert validation.groups is not None
            assert not set(train.groups.tolist()) & set(validation.groups.tolist())
            assert not test_groups & {*train.groups.tolist(), *validation.groups.tolist()}
        if dataset.is_classification:
            assert set(np.unique(train.labels)) == set(np.unique(dataset.labels))

    def test_loading_twice_gives_the_same_data(self) -> None:
        assert self.make().load().fingerprint() == self.make().load().fingerprint()

    def test_the_space_is_the_same_each_time(self) -> None:
        assert self.space(self.make()).differences(self.space(self.make())) == []

    def test_the_objective_is_logged(self, tmp_path: Path) -> None:
        task = self.make()
        history = self.one_epoch(task, {}, tmp_path)
        assert task.objective.name in history, sorted(history)
        assert np.isfinite(history[task.objective.name]).all()

    def test_stated_values_are_found_on_the_model(self) -> None:
        from truetune.hyperparameters import HyperParameters
        from truetune.training.building.build import build_model
        from truetune.training.measured import check_built

        task = self.make()
        for turn in range(3):
            hp = HyperParameters(functools.partial(_turned, turn))
            check_built(build_model(task.hypermodel, hp), hp.values, task.hypermodel)

    def test_values_go_into_the_config_and_come_back(self) -> None:
        from truetune.hyperparameters import HyperParameters, defaults
        from truetune.training.building.build import build_model

        task = self.make()
        if task.mapping is None:
            return
        hp = HyperParameters(defaults)
        build_model(task.hypermodel, hp)
        config = task.mapping.to_config(hp.values)
        assert task.mapping.from_config(config) == hp.values

    @staticmethod
    def space(task: Task) -> Space:
        from truetune.training.trace import trace_space

        return trace_space(task.hypermodel)

    @staticmethod
    def one_epoch(task: Task, values: dict[str, Value], folder: Path) -> dict[str, list[float]]:
        from truetune.hyperparameters import HyperParameters, fixed
        from truetune.training.building.build import build_model
        from truetune.training.fit import fit_model, preprocess

        dataset = task.load()
        sealed = seal(dataset, folder / "seal.json", seed=0)
        train, validation = preprocess(task.preprocessing, *_held_out(sealed.development(dataset)))
        hp: Any = HyperParameters(fixed(values, missing="default"))
        model = build_model(task.hypermodel, hp)
        return fit_model(task.hypermodel, hp, model, train, validation, epochs=1, seed=0)


def _held_out(development: Dataset) -> tuple[Dataset, Dataset]:
    """Training and validation rows of a holdout."""
    (fold,) = Protocol().folds(development, seed=0)
    return development.take(fold.train), development.take(fold.validation)


def _turned(turn: int, hyperparameter: Hyperparameter) -> Value:
    """Another value of each hyperparameter for each turn."""
    grid = hyperparameter.grid() or (hyperparameter.default,)
    return grid[turn % len(grid)]
