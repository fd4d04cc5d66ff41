"""What a person may choose about a search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from truetune.data.splitting.protocols import PROTOCOLS, Protocol
from truetune.errors import InputError
from truetune.search.base import Searcher, SearchProblem
from truetune.search.registry import (
    ALGORITHMS,
    METHODS,
    PRUNERS,
    Algorithm,
    SearchBudget,
    choose_algorithm,
    every_trial_in_full,
)
from truetune.storage.names import checked_study_name, default_study_name
from truetune.study.budget import Limits
from truetune.system.machine import default_worker_memory
from truetune.system.sizes import parse_size
from truetune.workers.count import checked_gpus, checked_workers, checked_workers_per_trial

KEEPS = ("best", "all", "none")
"""Whose weights stay on disk."""

NESTED = "nested"
"""A protocol of whole searches, not of trials."""

OUTERS = ("k-fold", "leave-one-group-out")


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        method: "keras-tuner" or "optuna"; None: the method of `algorithm`, or "optuna". Never None once the options are
            made.
        algorithm: name of one of `search.registry.ALGORITHMS`; None: the method's default.
        max_trials: total number of trials in the study, those of earlier runs included.
        workers: number of processes that train at once; 0 trains in this process; "auto" fits cores, memory and GPUs.
            None: one, or one per entry of `gpus`. A number once the options are made.
        gpus: numbers or UUIDs of GPUs, one worker on each, e.g. ("0", "1"); empty: every worker sees all GPUs.
        workers_per_trial: number of workers that train the folds of one trial together, so that fewer trials run at
            once. Idle workers help in any case; the record is the same.
        worker_memory: memory limit per worker, in bytes or as "3G"; None: an equal share of the free memory.
        max_parameters: maximum model size in parameters; larger models are skipped.
        keep: one of `KEEPS`: trials whose weights stay in `<directory>/tuning/<study>/weights`.
        seed: random seed.
        study_name: None: from the names of task and algorithm.
        storage: database URL, hidden in `repr`; None: `<directory>/tuning/optuna.db`.
        directory: output folder.
        fresh: archive an existing study of this name and start over.
        pruner: one of `PRUNERS`, for Optuna.
        protocol: evaluation of a trial: one of `data.splitting.protocols.PROTOCOLS`, or a scikit-learn splitter such as
            `GroupKFold(5)`; "nested" runs a search with k-fold inside every outer fold, and one on all rows.
        folds: number of folds for "k-fold", and of inner folds for "nested".
        outer: outer protocol for "nested": "k-fold" or "leave-one-group-out".
        outer_folds: number of outer folds for "nested" with outer "k-fold".
        reshuffle: a new split for every trial, with protocol "holdout".
        grid_points: points per continuous range in a grid search; None: continuous ranges are refused.
        config: config file whose values are trial 0; None: the builder's defaults.
        searcher: makes a searcher of your own, used instead of `method`'s and recorded under its `name`.
        time_budget: time limit for this run, in seconds; no trial starts that would probably end later, and running
            ones are interrupted. The searches of "nested" share it.
        stop_after_no_improvement: number of finished trials without a new best after which the search ends.
        trial_timeout: time limit per trial, in seconds; a trial exceeding it fails.
        max_retries: number of times a trial is trained again after its process died.
        lease_seconds: seconds without a heartbeat before a remote process's trials are reassigned.
        finalists: number of top trials to re-train after the search (0 disables), at most one per four trials; today's
            config is always included.
        fresh_runs: re-trainings per finalist with new seeds and splits, to choose the winner; the winner gets as many
            again to measure it.
    """

    method: str | None = None
    algorithm: str | None = None
    max_trials: int = 30
    workers: int | str | None = None
    seed: int = 0
    study_name: str | None = None
    storage: str | None = field(default=None, repr=False)
    directory: Path = Path("models")
    fresh: bool = False
    pruner: str = PRUNERS[0]
    protocol: Any = "holdout"
    folds: int = 5
    outer: str = "k-fold"
    outer_folds: int = 5
    reshuffle: bool = False
    grid_points: int | None = None
    config: Path | None = None
    searcher: Callable[[SearchProblem], Searcher] | None = None
    time_budget: float | None = None
    stop_after_no_improvement: int | None = None
    trial_timeout: float | None = None
    max_retries: int = 1
    lease_seconds: float = 60.0
    gpus: tuple[str, ...] = ()
    workers_per_trial: int = 1
    worker_memory: int | str | None = None
    max_parameters: int | None = None
    keep: str = "best"
    finalists: int = 5
    fresh_runs: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", Path(self.directory))
        if self.config is not None:
            object.__setattr__(self, "config", Path(self.config))
        object.__setattr__(self, "method", choose_algorithm(self.method, self.algorithm).method)
        _one_of("pruner", self.pruner, PRUNERS)
        _one_of("keep", self.keep, KEEPS)
        self._check_protocol()
        if self.max_trials < 1:
            raise InputError(f"max_trials={self.max_trials} was given. Expected at least 1.")
        object.__setattr__(self, "gpus", checked_gpus(self.gpus))
        object.__setattr__(self, "workers", checked_workers(self.workers, self.gpus))
        checked_workers_per_trial(self.workers_per_trial, self.worker_count, self.evaluation_protocol.name)
        if self.worker_memory is not None:
            object.__setattr__(self, "worker_memory", parse_size(self.worker_memory))
        if self.max_parameters is not None and self.max_parameters < 1:
            raise InputError(f"max_parameters={self.max_parameters} was given. Expected at least 1.")
        if self.grid_points is not None and self.grid_points < 2:
            raise InputError(f"grid_points={self.grid_points} was given. Expected at least 2, for the ends of a range.")
        for name in ("time_budget", "trial_timeout", "lease_seconds"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise InputError(f"{name}={seconds} was given. Expected a number of seconds above 0.")
        if self.stop_after_no_improvement is not None and self.stop_after_no_improvement < 1:
            raise InputError(
                f"stop_after_no_improvement={self.stop_after_no_improvement} was given. Expected at least 1 trial."
            )
        if self.max_retries < 0:
            raise InputError(f"max_retries={self.max_retries} was given. Expected 0 or more.")
        if self.finalists < 0:
            raise InputError(f"finalists={self.finalists} was given. Expected 0 or more.")
        if self.fresh_runs < 1:
            raise InputError(f"fresh_runs={self.fresh_runs} was given. Expected at least 1; 3 or more are better.")
        if self.seed < 0:
            raise InputError(f"seed={self.seed} was given. Expected 0 or more.")
        if self.study_name is not None:
            checked_study_name(self.study_name)

    def _check_protocol(self) -> None:
        if isinstance(self.protocol, str):
            _one_of("protocol", self.protocol, (*PROTOCOLS, NESTED))
        _one_of("outer protocol", self.outer, OUTERS)
        if self.outer_folds < 2:
            raise InputError(f"outer_folds={self.outer_folds} was given. Expected at least 2.")
        assert self.evaluation_protocol  # made once here, so that a wrong one is refused now

    @property
    def evaluation_protocol(self) -> Protocol:
        """How trials are evaluated; those inside the outer folds of a nested evaluation."""
        inner = "k-fold" if self.protocol == NESTED else self.protocol
        return Protocol.of(inner, self.folds, self.reshuffle)

    @property
    def worker_count(self) -> int:
        """How many worker processes; 0 trains in this one."""
        assert isinstance(self.workers, int)
        return self.workers

    @property
    def memory_limit(self) -> int:
        """Bytes that one worker may have."""
        if self.worker_memory is None:
            return default_worker_memory(self.worker_count)
        assert isinstance(self.worker_memory, int)
        return self.worker_memory

    @property
    def search_algorithm(self) -> Algorithm:
        """The entry in the list of algorithms; not used if `searcher` is given."""
        return choose_algorithm(self.method, self.algorithm)

    @property
    def chosen_method(self) -> str:
        """For the record; "own" for a searcher of the user's."""
        return self.search_algorithm.method if self.searcher is None else "own"

    @property
    def chosen_algorithm(self) -> str:
        """For the record and the study's name."""
        if self.searcher is not None:
            name = str(getattr(self.searcher, "name", getattr(self.searcher, "__name__", "own")))
            return "own" if name == "<lambda>" else name  # the study's name becomes a folder's
        return self.search_algorithm.name

    def budget(self, epochs: int) -> SearchBudget:
        """Upper bounds of the search's trials and epochs, if a full training takes `epochs`."""
        plan = self.search_algorithm.plan if self.searcher is None else every_trial_in_full
        return plan(self.max_trials, epochs)

    @property
    def shares_study(self) -> bool:
        """Whether several processes may search the study at once."""
        if self.searcher is not None:
            return bool(getattr(self.searcher, "shares_study", False))
        return self.search_algorithm.shares_study

    @property
    def why_alone(self) -> str:
        """Why a second process is refused, and what to do, where the study is not shared."""
        if self.searcher is not None:
            what = f"The searcher '{self.chosen_algorithm}' keeps its state in one process (its shares_study is False)."
            return f"{what} Wait until it ends, or use another study_name."
        listed = self.search_algorithm
        sharing = " or ".join(dict.fromkeys(f"--method {other.method}" for other in ALGORITHMS if other.shares_study))
        return (
            f"{METHODS[listed.method]}'s algorithm {listed.name} keeps its state in one process. Wait until it ends, "
            f"use another --study-name, or use {sharing}, which lets any number of processes share a study."
        )

    @property
    def limits(self) -> Limits:
        return Limits(
            self.max_trials, self.time_budget, self.stop_after_no_improvement, self.trial_timeout, self.max_retries
        )

    def name_for(self, task_prefix: str, is_dummy: bool) -> str:
        """The study's name: `emotion_recognition_optuna`, `emotion_recognition_hyperband`, …"""
        if self.study_name is not None:
            return self.study_name
        algorithm = self.search_algorithm.suffix if self.searcher is None else self.chosen_algorithm
        return default_study_name(task_prefix, algorithm, is_dummy)


def _one_of(what: str, received: str, known: tuple[str, ...]) -> None:
    if received not in known:
        raise InputError(f"The {what} {received!r} does not exist. Expected one of: {', '.join(known)}.")
