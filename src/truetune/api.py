"""`truetune.tune`: the path from a task to its result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from truetune.data.dataset import Dataset
from truetune.data.seal import Seal, seal, split_development
from truetune.data.shared import save_parts
from truetune.errors import TruetuneError
from truetune.results.result import Result
from truetune.search.base import Searcher, SearchProblem
from truetune.space import Space, Value
from truetune.study.events import Observer
from truetune.study.lifecycle import Lifecycle
from truetune.study.options import SearchOptions
from truetune.study.place import StudyPlace, check_unchanged
from truetune.task import Task
from truetune.training import protocol
from truetune.training.tensorflow_start import start_tensorflow
from truetune.trial import Trial, TrialState

if TYPE_CHECKING:
    from truetune.study.store import Store
    from truetune.study.workers import Workers
    from truetune.training.trial import Parts


def tune(
    task: Task, method: str = "optuna", max_trials: int = 30, *, observer: Observer | None = None, **options: Any
) -> Result:
    """Search for the hyperparameters that make `task`'s objective best on its validation part.

    The test part is sealed first. Running the same call again goes on where it was interrupted; a larger
    `max_trials` extends the search.

    Args:
        task: what to tune.
        method: "optuna" or "keras-tuner".
        max_trials: trials in the study in all.
        observer: hears what happens; None says nothing.
        options: further fields of `truetune.SearchOptions`: `algorithm`, `workers`, `seed`, `study_name`, `storage`,
            `directory`, `fresh`, `pruner`, `grid_points`, `config`, `searcher`, `gpus`, `worker_memory`,
            `max_parameters`.

    Raises:
        InputError: bad options, bad data, a wrong space, an objective that is not logged, a study that does not fit.
        BuildError: the builder raised with its default values.
        RepeatedFailure: several trials in a row failed for the same reason.
    """
    chosen = SearchOptions(method=method, max_trials=max_trials, **options)
    return run_search(task, chosen, observer or Observer())


def run_search(
    task: Task, options: SearchOptions, observer: Observer, source: Mapping[str, Any] | None = None
) -> Result:
    """`tune` with everything spelled out; `source` says, for the record, how the task was made."""
    with opened(task, options, observer, source) as session:
        if session.is_complete():
            observer.note(f"Study '{session.place.name}' has its {options.max_trials} trials; nothing is left to do.")
            return session.result()
        session.search()
        return session.result()


@contextmanager
def opened(
    task: Task, options: SearchOptions, observer: Observer, source: Mapping[str, Any] | None = None
) -> Iterator[Session]:
    """Load the data, lock the study, open its record, seal the test part."""
    from truetune.study.store import Store

    dataset = task.load()
    _today(task, options)
    prefix = task.study_prefix or task.name
    place = StudyPlace.of(options.directory, options.name_for(prefix, dataset.is_dummy), options.storage)
    place.make()
    with place.locked():
        if options.fresh:
            _archive(place, task, observer)
        store = Store(place.url, place.name, task.objective.direction, task.objective.name)
        is_new = not store.meta
        try:
            session = Session(task, options, observer, dataset, place, store, dict(source or {}))
            session.check_study()
            yield session
        except TruetuneError:
            if is_new:
                _forget_if_nothing_was_trained(place, store)
            raise
        finally:
            place.clear_scratch()
            store.close()


def _today(task: Task, options: SearchOptions) -> dict[str, Value]:
    """Today's configuration by name; empty where no config was given. Raises ConfigError when it cannot be read."""
    from truetune.mapping import ConfigMapping
    from truetune.results.config_source import read_config

    if options.config is None:
        return {}
    mapping = task.mapping or ConfigMapping()
    return mapping.from_config(read_config(options.config, mapping.scope))


def _forget_if_nothing_was_trained(place: StudyPlace, store: Store) -> None:
    """A study that was refused as it began must not stand in the way of the corrected command."""
    if not any(trial.state.is_finished or trial.reports for trial in store.trials()):
        store.discard()
        place.seal.unlink(missing_ok=True)


def _archive(place: StudyPlace, task: Task, observer: Observer) -> None:
    from truetune.study.store import Store, study_exists

    if study_exists(place.url, place.name):
        store = Store(place.url, place.name, task.objective.direction, task.objective.name)
        observer.note(f"The earlier study is kept as '{store.archive()}'.")
        store.close()
    kept = place.archive()
    if kept is not None:
        observer.note(f"Its files are in {kept}.")


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
        }

    def is_complete(self) -> bool:
        trials = self.store.trials()
        return len(trials) >= self.options.max_trials and all(t.state.is_finished for t in trials)

    def seal(self) -> Seal:
        return seal(self.dataset, self.place.seal, self.options.seed)

    def training_task(self) -> protocol.TrainingTask:
        task = self.task
        return protocol.TrainingTask(task.hypermodel, task.objective, task.epochs, task.patience, task.preprocessing)

    def prepare_data(self) -> None:
        """Seal the test part, split the rest, and put it where workers find it."""
        sealed = self.seal()
        train, validation, by = split_development(sealed.development(self.dataset), self.options.seed)
        save_parts(self.place.data, train, validation)
        self.observer.note(
            f"{len(train)} rows train, {len(validation)} validate (split by {by}), {len(sealed.test_rows)} are sealed "
            f"for the final test (by {sealed.by})."
        )

    def search(self) -> None:
        """Run trials until the budget is used."""
        self.prepare_data()
        if self.options.worker_count == 0:
            self._search_in_process()
        else:
            self._search_in_workers()

    def _search_in_workers(self) -> None:
        from truetune.study.loop import run_in_workers
        from truetune.study.workers import ask_one

        with self.workers() as workers:
            if self.options.method == "keras-tuner":
                start_tensorflow()  # takes as long as the workers take to start; both at once
            traced = ask_one(next(iter(workers)), protocol.Trace())
            assert isinstance(traced, protocol.Traced)
            lifecycle = self._lifecycle(traced.space)
            run_in_workers(lifecycle, workers)
        self._ended()

    def _search_in_process(self) -> None:
        from truetune.study.loop import run_in_process

        task, parts = self.in_process()
        from truetune.training.trace import trace_space

        run_in_process(self._lifecycle(trace_space(task.hypermodel)), task, parts)
        self._ended()

    def in_process(self) -> tuple[protocol.TrainingTask, Parts]:
        """Task and preprocessed parts for training in this process."""
        from truetune.training.worker import prepare_parts

        start_tensorflow()
        task = self.training_task()
        return task, prepare_parts(task, self.place.data)

    @contextmanager
    def workers(self) -> Iterator[Workers]:
        """The worker processes, ended on the way out."""
        import cloudpickle

        from truetune.study.workers import Workers, threads_per_worker
        from truetune.training.worker import WorkerSettings

        count = max(1, self.options.worker_count)
        settings = WorkerSettings(
            task=cloudpickle.dumps(self.training_task()),
            data=self.place.data.absolute(),
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
        searcher = self.searcher(space, trials)
        for line in searcher.plan():
            self.observer.note(line)
        self._say_what_is_resumed(trials)
        self.observer.search_started(trials, self.options.max_trials)
        return Lifecycle(
            searcher,
            self.store,
            self._known_space(space),
            max_trials=self.options.max_trials,
            seed=self.options.seed,
            checkpoints=self.place.checkpoints,
            observer=self.observer,
            max_parameters=self.options.max_parameters,
        )

    def _open_meta(self, space: Space) -> None:
        now = {**self._meta(), "space": space.to_config()}
        before = self.store.meta
        check_unchanged(self.place.name, before, now)
        kept = {"discovered": before.get("discovered", []), "created": before.get("created", time.time())}
        self.store.set_meta({**now, **kept, "source": dict(self.source)})

    def searcher(self, space: Space, trials: list[Trial]) -> Searcher:
        """The searcher, with the trials of earlier runs told."""
        from truetune.search.registry import make_searcher

        problem = SearchProblem(
            space=self._known_space(space),
            direction=self.task.objective.direction,
            objective=self.task.objective.name,
            max_trials=self.options.max_trials,
            epochs=self.task.epochs,
            seed=self.options.seed,
            first=tuple(self.first_values(space).items()),
            grid_points=self.options.grid_points,
        )
        if self.options.searcher is not None:
            own = self.options.searcher(problem)
            own.restore(trials)
            return own
        searcher = make_searcher(
            self.options.method,
            self.options.chosen_algorithm,
            problem,
            pruner=self.options.pruner,
            project_dir=self.place.keras_tuner if self.options.method == "keras-tuner" else None,
        )
        searcher.restore(trials)
        return searcher

    def _known_space(self, space: Space) -> Space:
        """As traced, and what earlier runs came across."""
        found = Space.from_config(self.store.meta.get("discovered", []))
        return Space({**space.entries, **{k: hp for k, hp in found.entries.items() if k not in space}})

    def first_values(self, space: Space) -> dict[str, Value]:
        """Today's configuration by key, moved into the range where it lies outside (and said)."""
        today = _today(self.task, self.options)
        first: dict[str, Value] = {}
        for key, hyperparameter in space.entries.items():
            if hyperparameter.name not in today:
                continue
            given = today[hyperparameter.name]
            first[key] = hyperparameter.nearest(given)
            if first[key] != given:
                self.observer.note(
                    f"Trial 0 uses {hyperparameter.name} = {first[key]!r}: today's {given!r} in {self.options.config} "
                    f"is outside {hyperparameter.describe()}."
                )
        return first

    def _say_what_is_resumed(self, trials: list[Trial]) -> None:
        if not trials:
            return
        running = [t.number for t in trials if t.state is TrialState.RUNNING]
        finished = len(trials) - len(running)
        line = f"Resuming study '{self.place.name}': {finished} of {self.options.max_trials} trials are finished"
        again = f"; interrupted and trained again: {', '.join(map(str, running))}" if running else ""
        self.observer.note(f"{line}{again}.")

    def _ended(self) -> None:
        import shutil

        shutil.rmtree(self.place.checkpoints, ignore_errors=True)
        self.observer.search_ended()

    def result(self) -> Result:
        """What the study holds now."""
        meta = self.store.meta
        space = self._known_space(Space.from_config(meta.get("space", [])))
        return Result(self.place.name, self.place.url, self.task.objective, tuple(self.store.trials()), space, meta)
