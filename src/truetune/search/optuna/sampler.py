"""Optuna's TPE, which remembers what it has read of trials that have ended.

`TPESampler` reads the values of all trials anew for every proposal and every group of hyperparameters, and finds the
groups anew too. Both follow from trials that do not change any more, and a search asks a new sampler for every trial.
At 1000 trials of 38 hyperparameters they were a third of the time. Proposals are the same to the last bit, which a test
compares; where a later Optuna does not call these methods any more, it proposes as it does by itself, only slower.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace, _SearchSpaceGroup
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from truetune.data.dataset import Array

_FIRST_ROWS = 64


class EndedTrials:
    """What the samplers of one study know of its trials that have ended."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._values = np.full((_FIRST_ROWS, 0), np.nan)
        self._has_read = np.zeros(_FIRST_ROWS, dtype=bool)
        self._first_with: dict[frozenset[str], FrozenTrial] = {}
        self._has_grouped: set[int] = set()

    # Values

    def values(self, numbers: Sequence[int], trials: Sequence[FrozenTrial], names: Iterable[str]) -> Array:
        """Optuna's internal values, shape (n_trials, n_names); NaN where a trial has no such hyperparameter.

        Args:
            numbers: of `trials`, in the study.
            trials: all of them ended.
            names: of hyperparameters.
        """
        rows = np.asarray(numbers, dtype=np.intp)
        if len(rows) and rows.max() >= len(self._has_read):
            self._grow(int(rows.max()) + 1)
        for place in np.flatnonzero(~self._has_read[rows]).tolist():
            self._read(trials[place])
        columns = np.array([self._column(name) for name in names], dtype=np.intp)
        return self._values[rows[:, None], columns]

    def _grow(self, rows: int) -> None:
        more = max(rows, 2 * len(self._has_read)) - len(self._has_read)
        self._values = np.concatenate([self._values, np.full((more, self._values.shape[1]), np.nan)])
        self._has_read = np.concatenate([self._has_read, np.zeros(more, dtype=bool)])

    def _column(self, name: str) -> int:
        if name not in self._columns:
            self._columns[name] = len(self._columns)
            self._values = np.concatenate([self._values, np.full((len(self._values), 1), np.nan)], axis=1)
        return self._columns[name]

    def _read(self, trial: FrozenTrial) -> None:
        for name, value in trial.params.items():
            column = self._column(name)
            self._values[trial.number, column] = trial.distributions[name].to_internal_repr(value)
        self._has_read[trial.number] = True

    # Groups

    def group(self, trials: Iterable[FrozenTrial]) -> _SearchSpaceGroup:
        """The groups of hyperparameters that always come together, as Optuna finds them in `trials`.

        A trial with the same hyperparameters as an earlier one splits no group and changes no order, so the first
        trial of each kind is enough.
        """
        for trial in trials:
            if trial.number not in self._has_grouped:
                self._has_grouped.add(trial.number)
                kind = frozenset(trial.distributions)
                first = self._first_with.setdefault(kind, trial)
                if trial.number < first.number:
                    self._first_with[kind] = trial
        found = _SearchSpaceGroup()
        for trial in sorted(self._first_with.values(), key=lambda first: first.number):
            found.add_distributions(trial.distributions)
        return found


class _Groups(_GroupDecomposedSearchSpace):
    def __init__(self, ended: EndedTrials) -> None:
        super().__init__(include_pruned=True)
        self._ended = ended

    def calculate(self, study: Study, use_cache: bool = False) -> _SearchSpaceGroup:
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        return copy.deepcopy(self._ended.group(study._get_trials(deepcopy=False, states=states, use_cache=use_cache)))


class RememberingTPESampler(TPESampler):
    """Multivariate, grouped TPE with the constant liar.

    Args:
        ended: shared by the samplers of one in-memory study.
        n_startup_trials: drawn at random.
        seed: of this sampler.
    """

    def __init__(self, ended: EndedTrials, n_startup_trials: int, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            super().__init__(n_startup_trials=n_startup_trials, multivariate=True, group=True, seed=seed)
        self._ended = ended
        self._group_decomposed_search_space = _Groups(ended)

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, Array]:
        if not trials or not search_space:
            return dict(super()._get_internal_repr(trials, search_space, study))
        running = [place for place, trial in enumerate(trials) if trial.state is TrialState.RUNNING]
        ended = [trial for trial in trials if trial.state is not TrialState.RUNNING] if running else trials
        table = self._ended.values([trial.number for trial in ended], ended, search_space)
        for place in running:
            row = _row(self._get_params(trials[place], study), search_space)
            table = np.insert(table, place, row, axis=0)
        complete = table[~np.isnan(table).any(axis=1)]
        return {name: complete[:, column] for column, name in enumerate(search_space)}


def _row(params: Mapping[str, Any], search_space: Mapping[str, BaseDistribution]) -> list[float]:
    return [
        distribution.to_internal_repr(params[name]) if name in params else np.nan
        for name, distribution in search_space.items()
    ]
