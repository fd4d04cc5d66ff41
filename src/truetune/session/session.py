"""One run of one study, from its record to its result."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from truetune.result import Result
from truetune.results.finalists import FreshTraining, missing_runs
from truetune.search.base import Searcher
from truetune.session.description import description, known_space, made_from
from truetune.session.request import SearchRequest
from truetune.session.searching import problem_of, restored_searcher
from truetune.session.study_data import StudyData
from truetune.session.training import in_process, workers_of
from truetune.space import Space
from truetune.storage.leases import Leases
from truetune.storage.paths import StudyPlace, check_unchanged
from truetune.study.budget import Budget
from truetune.study.context import StudyContext, StudySettings
from truetune.study.evaluation import Evaluation, most_epochs
from truetune.study.trials.kept_weights import weights_path
from truetune.study.trials.lifecycle import Lifecycle
from truetune.training import messages
from truetune.training.tensorflow_start import start_tensorflow
from truetune.trial import Trial, TrialState

if TYPE_CHECKING:
    from truetune.storage.base import Store
    from truetune.study.reevaluation import Finals
    from truetune.training.folds.source import FoldSource
    from truetune.workers.pool import Workers


@dataclass
class Session:
    """A study that is open.

    Attributes:
        place: where it is on disk.
        store: its record.
        data: its data, sealed and split when they are first needed, and the request it was opened with.
        is_new: whether the record was empty.
        is_out_of_time: whether the time budget ended this run before all was trained.
    """

    place: StudyPlace
    store: Store
    data: StudyData
    is_new: bool
    is_out_of_time: bool = False

    @property
    def request(self) -> SearchRequest:
        return self.data.request

    @cached_property
    def leases(self) -> Leases:
        """Judges other processes."""
        return Leases(self.store.owner, self.request.options.lease_seconds)

    @cached_property
    def _noted(self) -> set[str]:
        """Lines of trainings that were shown already."""
        return set()

    @property
    def shared(self) -> Path:
        """The folder with the development rows for our workers."""
        return self.place.data / self.store.owner.token

    def close(self) -> None:
        shutil.rmtree(self.shared, ignore_errors=True)
        with suppress(OSError):  # other processes' arrays are in it
            self.place.data.rmdir()
        self.store.close()

    def forget_if_nothing_was_trained(self) -> None:
        """A study that was refused at its start must not block the corrected command."""
        if not self.is_new or set(self.store.owners()) - {self.store.owner.token}:
            return
        if not any(trial.state.is_finished or trial.reports for trial in self.store.trials()):
            self.store.discard()
            self.place.seal.unlink(missing_ok=True)

    def check_study(self) -> None:
        """Refuse a study with other settings (its space is checked once it is traced)."""
        if self.store.meta:
            check_unchanged(self.place.name, self.store.meta, made_from(self.data))

    # Searching

    def is_complete(self) -> bool:
        """Whether nothing is left to train: no trial, no re-training of a finalist."""
        trials = self.store.trials()
        if len(trials) < self.request.options.max_trials or not all(t.state.is_finished for t in trials):
            return False
        return not missing_runs(trials, self.request.task.objective, self._training(), self.store.fresh_runs())

    def prepare_data(self) -> None:
        """Seal the test part, split and check the rest, and save it for the workers."""
        lines = list(self.data.check())
        self.place.clear_scratch(self.store.owners())
        self.data.save(self.shared)
        for line in lines:
            self.request.observer.note(line)

    def search(self) -> None:
        """Run trials until the budget is used, then re-train the finalists."""
        self.prepare_data()
        if self.request.options.worker_count == 0:
            self._search_in_process()
        else:
            self._search_in_workers()

    def _search_in_workers(self) -> None:
        from truetune.study.loop import run_in_workers
        from truetune.workers.pool import ask_one

        options = self.request.options
        with self.workers() as workers:
            if options.search_algorithm.needs_tensorflow:
                start_tensorflow()  # takes as long as the workers take to start; both at once
            traced = ask_one(next(iter(workers)), messages.Trace())
            assert isinstance(traced, messages.Traced)
            lifecycle = self._lifecycle(traced.space)
            run_in_workers(lifecycle, workers, options.workers_per_trial)
            finals = self._finals(lifecycle.budget)
            while finals.begin_stage():
                run_in_workers(finals, workers, options.workers_per_trial)
        self._ended(lifecycle.budget)

    def _search_in_process(self) -> None:
        from truetune.study.loop import run_in_process, trained
        from truetune.study.reevaluation import run_finals_in_process

        task, folds = self.in_process()
        from truetune.training.trace import trace_space

        lifecycle = self._lifecycle(trace_space(task.hypermodel, task.fit, folds.own.parts(0).train))
        run_in_process(lifecycle, task, folds)
        finals = self._finals(lifecycle.budget)
        run_finals_in_process(finals, partial(trained, task, folds))
        self._ended(lifecycle.budget)

    def workers(self) -> AbstractContextManager[Workers]:
        """The worker processes, ended on the way out."""
        return workers_of(self.request, self.shared, self.place.folder / "worker.log")

    def in_process(self) -> tuple[messages.TrainingTask, FoldSource]:
        """Task and rows for training in this process."""
        return in_process(self.request, self.shared)

    def _lifecycle(self, traced: Space) -> Lifecycle:
        self.store.set_meta(description(self.place.name, self.store.meta, self.data, traced))
        observer, trials = self.request.observer, self.store.trials()
        searcher = self.searcher(traced, [trial for trial in trials if trial.is_built])
        for line in searcher.plan():
            observer.note(line)
        self._note_resumed(trials)
        context = self._context(traced)
        settings = self._settings(context.space)
        observer.folds_planned(settings.evaluation.n_folds, settings.evaluation.epochs)
        observer.search_started(trials, self.request.options.max_trials)
        return Lifecycle(searcher, trials, settings, context)

    def searcher(self, traced: Space, trials: list[Trial]) -> Searcher:
        """The searcher, restored from the trials of earlier runs."""
        known = known_space(traced, self.store.meta)
        problem = problem_of(self.request, traced, known, self._evaluation(known).steps_per_fold)
        return restored_searcher(self.request, problem, self.place.keras_tuner, trials)

    def _finals(self, budget: Budget) -> Finals:
        """The re-trainings of the finalists; none before the search is complete."""
        from truetune.study.reevaluation import Finals

        trials = self.store.trials()
        context = self._context(Space.from_config(self.store.meta["space"]))
        missing = partial(missing_runs, trials, self.request.task.objective, self._training())
        return Finals(trials, missing, self._settings(context.space), context, budget)

    def _training(self) -> FreshTraining:
        options = self.request.options
        training = FreshTraining(options.finalists, options.fresh_runs, self.data.validation_ratio)
        return training.of_search(len(self.store.trials()))

    def _settings(self, known: Space) -> StudySettings:
        options, objective = self.request.options, self.request.task.objective
        evaluation = self._evaluation(known)
        return StudySettings(options.limits, objective, options.seed, evaluation, options.max_parameters, options.keep)

    def _context(self, traced: Space) -> StudyContext:
        place, known = self.place, known_space(traced, self.store.meta)
        observer, noted = self.request.observer, self._noted
        return StudyContext(self.store, known, observer, place.checkpoints, place.weights, self.leases, noted)

    def _evaluation(self, known: Space) -> Evaluation:
        options, epochs = self.request.options, most_epochs(self.request.task, known)
        return Evaluation(len(self.data.folds), epochs, options.reshuffle, options.seed)

    def _note_resumed(self, trials: list[Trial]) -> None:
        if not trials:
            return
        owners = self.store.owners()
        alive = set(owners) - self.leases.dead(owners)
        running = [t for t in trials if t.state is TrialState.RUNNING]
        finished = sum(t.state.is_finished for t in trials)
        n_trials = self.request.options.max_trials
        line = f"Resuming study '{self.place.name}': {finished} of {n_trials} trials finished"
        again = [str(t.number) for t in running if t.owner not in alive]
        elsewhere = [f"{t.number} on {owners[t.owner][0].host}" for t in running if t.owner in alive]
        line += f"; interrupted trials to train again: {', '.join(again)}" if again else ""
        line += f"; running in other processes: {', '.join(elsewhere)}" if elsewhere else ""
        self.request.observer.note(f"{line}.")

    def _ended(self, budget: Budget) -> None:
        is_complete = self.is_complete()
        if is_complete and set(self.store.owners()) <= {self.store.owner.token}:
            shutil.rmtree(self.place.checkpoints, ignore_errors=True)
        self.is_out_of_time = not is_complete and bool(budget.why_no_time())
        self.request.observer.search_ended()

    # The result

    def result(self) -> Result:
        """The current content of the study."""
        meta, task = self.store.meta, self.request.task
        result = Result(
            self.place.name,
            self.place.url,
            task.objective,
            tuple(self.store.trials()),
            known_space(Space.from_config(meta.get("space", [])), meta),
            meta,
            fresh=tuple(self.store.fresh_runs()),
            training=self._training(),
            task=replace(task, data=self.data.all.dataset),
            seal=self.place.seal,
            is_out_of_time=self.is_out_of_time,
        )
        return replace(result, best_weights=self._best_weights(result))

    def _best_weights(self, result: Result) -> Path | None:
        """None if they were not kept, or are on another machine."""
        path = None if result.best is None else weights_path(self.place.weights, result.best.number)
        return path if path is not None and path.exists() else None
