"""One run of one study: the data sealed, the record opened, trials run, the result read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truetune.config.first_trial import todays_values, trial_zero_values
from truetune.data.checks.fold_notes import copies_of_sealed, notes, same_again
from truetune.data.checks.leaks import check_folds
from truetune.data.checks.preprocessing_leaks import check_holds_no_sealed_row
from truetune.data.dataset import Dataset
from truetune.data.sealing.seal import Seal, seal
from truetune.data.shared import save_development
from truetune.data.splitting.protocols import Fold, describe
from truetune.errors import TruetuneError
from truetune.result import Result
from truetune.results.finalists import FreshTraining, missing_runs
from truetune.search.base import Searcher, SearchProblem
from truetune.space import Space
from truetune.storage.archive import begin_anew
from truetune.storage.database import Patience
from truetune.storage.exclusive import require_alone
from truetune.storage.heartbeat import alive
from truetune.storage.leases import Leases
from truetune.storage.paths import StudyPlace, check_unchanged
from truetune.study.budget import Budget
from truetune.study.evaluation import Evaluation, fresh_split_seeds, most_epochs, reshuffled_seeds
from truetune.study.events import Observer
from truetune.study.kept_weights import KeptWeights, weights_path
from truetune.study.lifecycle import Lifecycle
from truetune.study.options import SearchOptions
from truetune.system.signals import stopping_on_signals
from truetune.task import Task
from truetune.tasks.chosen import compared
from truetune.training import messages
from truetune.training.tensorflow_start import start_tensorflow
from truetune.trial import Trial, TrialState

if TYPE_CHECKING:
    from truetune.storage.store import Store
    from truetune.study.reevaluation import Finals
    from truetune.training.folds.source import FoldSource
    from truetune.workers.pool import Workers


@contextmanager
def opened(
    task: Task, options: SearchOptions, observer: Observer, source: Mapping[str, Any] | None = None
) -> Iterator[Session]:
    """Load the data, open the record, seal the test part; a study that cannot be shared is locked."""
    dataset = task.load()
    todays_values(task, options)
    prefix = task.study_prefix or task.name
    place = StudyPlace.of(options.directory, options.name_for(prefix, dataset.is_dummy), options.storage)
    place.make()
    with ExitStack() as stack:
        if not options.shares_study:
            stack.enter_context(place.locked(options.why_alone))
        with place.set_up_alone():
            if options.fresh:
                begin_anew(place, observer.note, options.lease_seconds)
            session = _open_session(task, options, observer, dataset, place, dict(source or {}))
        stack.callback(session.close)
        stack.enter_context(stopping_on_signals())
        stack.enter_context(alive(session.store, options.lease_seconds))
        if not options.shares_study:
            require_alone(session.store, session.leases, options.why_alone)
        try:
            yield session
        except TruetuneError:
            session.forget_if_nothing_was_trained()
            raise


def run_session(
    task: Task, options: SearchOptions, observer: Observer, source: Mapping[str, Any] | None = None
) -> Result:
    """Search until the budget is used, train the finalists again, and read what the study holds.

    Raises:
        InputError: bad options, bad data, a wrong space, an objective that is not logged, a study that does not fit.
        BuildError: the builder raised with its default values.
        RepeatedFailure: several trials in a row failed for the same reason.
    """
    with opened(task, options, observer, source) as session:
        if session.is_complete():
            observer.note(f"Study '{session.place.name}' has its {options.max_trials} trials; nothing is left to do.")
            return session.result()
        session.search()
        return session.result()


def _open_session(
    task: Task,
    options: SearchOptions,
    observer: Observer,
    dataset: Dataset,
    place: StudyPlace,
    source: Mapping[str, Any],
) -> Session:
    from truetune.storage.store import Store

    patience = Patience(observer.note)
    store = Store(place.url, place.name, task.objective.direction, task.objective.name, patience=patience)
    is_new = not store.meta
    session = Session(task, options, observer, dataset, place, store, source, is_new)
    try:
        session.check_study()
    except TruetuneError:
        session.close()
        raise
    return session


@dataclass
class Session:
    """One run of one study, from the sealed data to the result."""

    task: Task
    options: SearchOptions
    observer: Observer
    dataset: Dataset
    place: StudyPlace
    store: Store
    source: Mapping[str, Any]
    is_new: bool

    def __post_init__(self) -> None:
        self.leases = Leases(self.store.owner, self.options.lease_seconds)
        self.data = self.place.data / self.store.owner.token
        self.is_out_of_time = False

    def close(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        with suppress(OSError):  # other processes' arrays are in it
            self.place.data.rmdir()
        self.store.close()

    def forget_if_nothing_was_trained(self) -> None:
        """A study that was refused as it began must not stand in the way of the corrected command."""
        if not self.is_new or set(self.store.owners()) - {self.store.owner.token}:
            return
        if not any(trial.state.is_finished or trial.reports for trial in self.store.trials()):
            self.store.discard()
            self.place.seal.unlink(missing_ok=True)

    def check_study(self) -> None:
        """Refuse a study that was made from something else (its space is checked once it is traced)."""
        if self.store.meta:
            check_unchanged(self.place.name, self.store.meta, self._meta())

    def _meta(self) -> dict[str, Any]:
        data = {"fingerprint": self.dataset.fingerprint(), "kind": self.dataset.kind, "is_dummy": self.dataset.is_dummy}
        return {
            "method": self.options.chosen_method,
            "algorithm": self.options.chosen_algorithm,
            "objective": {"name": self.task.objective.name, "direction": self.task.objective.direction},
            "seed": self.options.seed,
            "epochs": self.task.epochs,
            "data": data,
            "protocol": self.options.evaluation_protocol.to_config(),
            "options": compared(self.task.options),
        }

    def is_complete(self) -> bool:
        """Whether nothing is left to train: no trial, no fresh run."""
        trials = self.store.trials()
        if len(trials) < self.options.max_trials or not all(t.state.is_finished for t in trials):
            return False
        return not missing_runs(trials, self.task.objective, self._training(), self.store.fresh_runs())

    def seal(self) -> Seal:
        return seal(self.dataset, self.place.seal, self.options.seed)

    def training_task(self) -> messages.TrainingTask:
        task = self.task
        return messages.TrainingTask(
            task.hypermodel,
            task.objective,
            task.epochs,
            task.patience,
            task.preprocessing,
            self.options.evaluation_protocol,
            self.options.seed,
        )

    def prepare_data(self) -> None:
        """Seal the test part, split the rest, and put it where workers find it."""
        sealed = self.seal()
        development = sealed.development(self.dataset)
        drawn = self.options.evaluation_protocol
        fresh = [drawn.folds(development, seed) for seed in fresh_split_seeds(self.options)]
        later = chain(fresh, (drawn.folds(development, seed) for seed in reshuffled_seeds(self.options)))
        check_folds(development, self.folds, sealed.development_rows, later)
        if self.task.preprocessing is not None:
            check_holds_no_sealed_row(self.task.preprocessing, development, self.dataset.take(sealed.test_rows))
        self.place.clear_scratch(self.store.owners())
        save_development(self.data, development)
        self.observer.note(
            f"{describe(self.folds)}, {len(sealed.test_rows)} are sealed for the final test (by {sealed.by})."
        )
        lines: list[str | None] = [*notes(development, self.folds)]
        lines.append(copies_of_sealed(self.dataset, sealed.development_rows, sealed.test_rows))
        lines += [same_again(self.folds, folds) for folds in fresh[:1]]
        for line in filter(None, lines):
            self.observer.note(line)

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Of the study's trials."""
        development = self.seal().development(self.dataset)
        return self.options.evaluation_protocol.folds(development, self.options.seed)

    def search(self) -> None:
        """Run trials until the budget is used."""
        self.prepare_data()
        if self.options.worker_count == 0:
            self._search_in_process()
        else:
            self._search_in_workers()

    def _search_in_workers(self) -> None:
        from truetune.study.loop import run_in_workers
        from truetune.workers.pool import ask_one

        with self.workers() as workers:
            if self.options.search_algorithm.needs_tensorflow:
                start_tensorflow()  # takes as long as the workers take to start; both at once
            traced = ask_one(next(iter(workers)), messages.Trace())
            assert isinstance(traced, messages.Traced)
            lifecycle = self._lifecycle(traced.space)
            run_in_workers(lifecycle, workers, self.options.workers_per_trial)
            finals = self._finals(lifecycle.budget)
            while finals.begin_stage():
                run_in_workers(finals, workers, self.options.workers_per_trial)
        self._ended(lifecycle.budget)

    def _search_in_process(self) -> None:
        from truetune.study.loop import run_in_process, trained
        from truetune.study.reevaluation import run_finals_in_process

        task, folds = self.in_process()
        from truetune.training.trace import trace_space

        lifecycle = self._lifecycle(trace_space(task.hypermodel))
        run_in_process(lifecycle, task, folds)
        finals = self._finals(lifecycle.budget)
        run_finals_in_process(finals, lambda request, host: trained(task, folds, request, host))
        self._ended(lifecycle.budget)

    def _finals(self, budget: Budget) -> Finals:
        """The fresh runs of the finalists; none before the search has its trials."""
        from truetune.study.reevaluation import Finals

        trials, training, objective = self.store.trials(), self._training(), self.task.objective
        space = self._known_space(Space.from_config(self.store.meta["space"]))
        return Finals(
            self.store,
            space,
            trials,
            lambda fresh: missing_runs(trials, objective, training, fresh),
            self.options.seed,
            self.options.limits,
            self.observer,
            self.place.checkpoints,
            self._evaluation(space),
            budget,
            self.leases,
        )

    def _training(self) -> FreshTraining:
        ratio = len(self.folds[0].validation) / len(self.folds[0].train)
        training = FreshTraining(self.options.finalists, self.options.fresh_runs, ratio)
        return training.of_search(len(self.store.trials()))

    def in_process(self) -> tuple[messages.TrainingTask, FoldSource]:
        """Task and rows for training in this process."""
        from truetune.training.worker import prepare_folds

        start_tensorflow()
        task = self.training_task()
        return task, prepare_folds(task, self.data)

    @contextmanager
    def workers(self) -> Iterator[Workers]:
        """The worker processes, ended on the way out."""
        import cloudpickle

        from truetune.training.worker import WorkerSettings
        from truetune.workers.pool import Workers, threads_per_worker

        count = max(1, self.options.worker_count)
        settings = WorkerSettings(
            task=cloudpickle.dumps(self.training_task()),
            data=self.data.absolute(),
            threads=threads_per_worker(count),
            log=self.place.folder.absolute() / "worker.log",
        )
        workers = Workers(count, settings, self.options.memory_limit, self.options.gpus)
        try:
            yield workers
        finally:
            workers.close()

    def _lifecycle(self, space: Space) -> Lifecycle:
        self._open_meta(space)
        trials = self.store.trials()
        searcher = self.searcher(space, [trial for trial in trials if trial.is_built])
        for line in searcher.plan():
            self.observer.note(line)
        self._say_what_is_resumed(trials)
        evaluation = self._evaluation(space)
        self.observer.folds_planned(evaluation.n_folds, evaluation.epochs)
        self.observer.search_started(trials, self.options.max_trials)
        return Lifecycle(
            searcher,
            self.store,
            self._known_space(space),
            trials,
            limits=self.options.limits,
            objective=self.task.objective,
            seed=self.options.seed,
            checkpoints=self.place.checkpoints,
            observer=self.observer,
            leases=self.leases,
            max_parameters=self.options.max_parameters,
            weights=KeptWeights(self.place.weights, self.options.keep, self.task.objective, trials),
            evaluation=evaluation,
        )

    def _evaluation(self, space: Space) -> Evaluation:
        epochs = most_epochs(self.task.epochs, self._known_space(space))
        return Evaluation(len(self.folds), epochs, self.options.reshuffle, self.options.seed)

    def _open_meta(self, space: Space) -> None:
        now = {**self._meta(), "space": space.to_config(), "sealed": self.seal().digest}
        before = self.store.meta
        check_unchanged(self.place.name, before, now)
        kept = {"discovered": before.get("discovered", []), "created": before.get("created", time.time())}
        self.store.set_meta({**now, **kept, "source": dict(self.source)})

    def searcher(self, space: Space, trials: list[Trial]) -> Searcher:
        """The searcher, with the trials of earlier runs told."""
        from truetune.search.registry import SearcherSettings

        problem = SearchProblem(
            space=self._known_space(space),
            direction=self.task.objective.direction,
            objective=self.task.objective.name,
            max_trials=self.options.max_trials,
            epochs=self.task.epochs,
            seed=self.options.seed,
            first=tuple(trial_zero_values(space, self.task, self.options, self.observer).items()),
            grid_points=self.options.grid_points,
            steps_per_fold=self._evaluation(space).steps_per_fold,
        )
        if self.options.searcher is not None:
            own = self.options.searcher(problem)
            own.restore(trials)
            return own
        chosen = self.options.search_algorithm
        project = self.place.keras_tuner if chosen.keeps_project else None
        searcher = chosen.make(problem, SearcherSettings(self.options.pruner, project))
        searcher.restore(trials)
        return searcher

    def _known_space(self, space: Space) -> Space:
        """As traced, and what earlier runs came across."""
        found = Space.from_config(self.store.meta.get("discovered", []))
        return Space({**space.entries, **{k: hp for k, hp in found.entries.items() if k not in space}})

    def _say_what_is_resumed(self, trials: list[Trial]) -> None:
        if not trials:
            return
        owners = self.store.owners()
        alive = set(owners) - self.leases.dead(owners)
        running = [t for t in trials if t.state is TrialState.RUNNING]
        finished = sum(t.state.is_finished for t in trials)
        line = f"Resuming study '{self.place.name}': {finished} of {self.options.max_trials} trials are finished"
        again = [str(t.number) for t in running if t.owner not in alive]
        elsewhere = [f"{t.number} on {owners[t.owner][0].host}" for t in running if t.owner in alive]
        line += f"; interrupted and trained again: {', '.join(again)}" if again else ""
        line += f"; trained by other processes: {', '.join(elsewhere)}" if elsewhere else ""
        self.observer.note(f"{line}.")

    def _ended(self, budget: Budget) -> None:
        is_complete = self.is_complete()
        if is_complete and set(self.store.owners()) <= {self.store.owner.token}:
            shutil.rmtree(self.place.checkpoints, ignore_errors=True)
        self.is_out_of_time = not is_complete and bool(budget.why_no_time())
        self.observer.search_ended()

    def result(self) -> Result:
        """What the study holds now."""
        meta = self.store.meta
        space = self._known_space(Space.from_config(meta.get("space", [])))
        result = Result(
            self.place.name,
            self.place.url,
            self.task.objective,
            tuple(self.store.trials()),
            space,
            meta,
            fresh=tuple(self.store.fresh_runs()),
            training=self._training(),
            task=replace(self.task, data=self.dataset),
            seal=self.place.seal,
            is_out_of_time=self.is_out_of_time,
        )
        return replace(result, best_weights=self._best_weights(result))

    def _best_weights(self, result: Result) -> Path | None:
        """None where they were not kept, or another machine has them."""
        path = None if result.best is None else weights_path(self.place.weights, result.best.number)
        return path if path is not None and path.exists() else None
