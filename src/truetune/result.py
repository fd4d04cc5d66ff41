"""What a search found."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truetune.errors import ExportError, InputError
from truetune.objective import Objective
from truetune.results.finalists import FinalChoice, Finalist, FreshTraining, choose
from truetune.results.ranking import best_trial, count_states
from truetune.space import Space, Value
from truetune.system.versions import versions
from truetune.task import Task
from truetune.trial import TODAY, FreshRun, Trial, todays_trial

if TYPE_CHECKING:
    import pandas as pd

    from truetune.results.export import Baseline, EstimateRecord, FinalistsRecord, NestedRecord, StageRecord
    from truetune.results.nested_estimate import NestedEstimate
    from truetune.statistics.intervals import Estimate
    from truetune.verification.pairs import PairedTraining
    from truetune.verification.verification import Verification
    from truetune.verification.winner import TrainedModel, Winner

NOT_CONFIRMED = "This is the search score, not confirmed by re-trainings; the best of many scores is too optimistic."


@dataclass(frozen=True)
class Result:
    """The trials of a study, and the best of them.

    Attributes:
        study_name, storage: open it with `optuna.load_study(study_name=…, storage=…)`.
        objective: the metric that decided, with its direction.
        trials: all, by number.
        space: the search space.
        meta: provenance of the study: method, algorithm, data, seed, ….
        best_weights: file with the winner's weights, for `load_weights` of a model built from `best_hyperparameters`;
            None if they were not kept or are on another machine.
        fresh: the re-trainings of the finalists.
        training: how many there were to be; by default none.
        nested: the nested evaluation; None for other protocols.
        is_out_of_time: whether the time budget ended this run before the search was complete.
        task, seal: the tuned task and the file that seals its test part, for `verify`.
    """

    study_name: str
    storage: str = field(repr=False)
    objective: Objective
    trials: tuple[Trial, ...]
    space: Space
    meta: Mapping[str, Any]
    best_weights: Path | None = None
    fresh: tuple[FreshRun, ...] = ()
    training: FreshTraining = field(default_factory=FreshTraining)
    nested: NestedEstimate | None = None
    is_out_of_time: bool = False
    task: Task | None = field(default=None, repr=False, compare=False)
    seal: Path | None = field(default=None, repr=False, compare=False)

    @cached_property
    def final(self) -> FinalChoice | None:
        """The re-evaluation of the finalists; None if there was none."""
        if not self.fresh or not self.training.finalists:
            return None
        return choose(self.trials, self.objective, self.training, self.fresh)

    @property
    def best(self) -> Trial | None:
        """The winner: the choice of the re-evaluation if it made one, else `search_best`."""
        winner = None if self.final is None else self.final.winner
        return self.search_best if winner is None else self._trial(winner)

    @property
    def search_best(self) -> Trial | None:
        """The trial with the best search score; None if no trial finished."""
        return best_trial(self.trials, self.objective)

    def _trial(self, number: int) -> Trial | None:
        return next((trial for trial in self.trials if trial.number == number), None)

    @property
    def best_score(self) -> float | None:
        """The search score of the winner: the objective of its kept weights on the validation part.

        Too optimistic, as the best of many scores; `final.confirmed` is the mean of the re-trainings.
        """
        return None if self.best is None else self.best.score

    @property
    def best_hyperparameters(self) -> dict[str, Value]:
        """By name, only those that the winning model uses; empty if no trial finished."""
        return {} if self.best is None else self.space.names(self.best.values)

    def best_model(self) -> TrainedModel:
        """The winner's trained model, with the preprocessing that was fitted for it; its `predict` takes raw rows.

        Raises:
            InputError: there is no winner, its weights were not kept, trials trained several folds, or its recorded
                score cannot be reproduced.
        """
        winner = self._winner()
        if self.best_weights is None:
            raise InputError(
                f"The weights of trial {winner.trial.number} were not kept, or are on another machine. Pass "
                "keep='all' to `tune`, so that a winner of the re-trainings has its weights too, or train it on all "
                "rows that are not sealed: `result.retrain()`."
            )
        return winner.trained(self.best_weights)

    @property
    def best_hp(self) -> Any:
        """The winner as a `keras_tuner.HyperParameters`, for `build(result.best_hp)`. Raises InputError without one."""
        return self._winner().hp()

    def retrain(self, seed: int = 0) -> TrainedModel:
        """The winner, trained anew on all rows that are not sealed. Raises InputError without one.

        Args:
            seed: of weights, dropout and the order of rows.
        """
        return self._winner().retrained(seed)

    def _winner(self) -> Winner:
        from truetune.training.tensorflow_start import start_tensorflow

        if self.best is None or self.task is None or self.seal is None:
            raise InputError(f"Study '{self.study_name}' has no winner ({_counted(self.trials)}). Run more trials.")
        start_tensorflow()
        from truetune.verification.winner import Winner

        return Winner(self.task, self.best, self.best_hyperparameters, self.seal, self.meta)

    def export(self, path: str | Path = "models/best_hyperparameters.json") -> Path:
        """Write the winner as JSON, atomically.

        Raises:
            ExportError: no trial finished; nothing is written.
            StorageError: `path` cannot be written.
        """
        from truetune.results.export import BestHyperparameters, DataRecord, Metadata, ObjectiveRecord

        best = self.best
        if best is None or best.score is None:
            raise ExportError(
                f"Study '{self.study_name}' has no finished trial ({_counted(self.trials)}); nothing was exported. "
                "Run more trials; `truetune status` shows why trials failed."
            )
        metadata = Metadata(
            best_score=best.score,
            timestamp=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
            objective=ObjectiveRecord(name=self.objective.name, direction=self.objective.direction),
            method=self.meta["method"],
            algorithm=self.meta["algorithm"],
            study_name=self.study_name,
            storage=self.storage,
            trial=best.number,
            n_trials=count_states(self.trials),
            data=DataRecord(**self.meta["data"], source=self.meta.get("source") or None),
            seed=self.meta["seed"],
            versions=versions(),
            epochs=best.course.total,
            training=_training_record(best),
            baseline=self._baseline(),
            finalists=self._finalists(),
            protocol=self.meta.get("protocol"),
            fold_scores=tuple(best.fold_scores),
            metrics=dict(best.metrics),
            fold_metrics={name: tuple(values) for name, values in best.fold_metrics.items()},
            nested=self._nested(),
            notes=() if self._is_confirmed else (NOT_CONFIRMED,),
        )
        BestHyperparameters(hyperparameters=self.best_hyperparameters, metadata=metadata).write(path)
        return Path(path)

    def _nested(self) -> NestedRecord | None:
        from truetune.results.export import EstimateRecord, NestedRecord, OuterFoldRecord

        if self.nested is None:
            return None
        folds = tuple(
            OuterFoldRecord(
                name=fold.name,
                score=fold.score,
                rows=fold.n_test,
                hyperparameters=dict(fold.hyperparameters),
                epochs=fold.epochs,
            )
            for fold in self.nested.folds
        )
        score = EstimateRecord(**asdict(self.nested.score))
        return NestedRecord(score=score, metrics=dict(self.nested.metrics), folds=folds)

    @property
    def _is_confirmed(self) -> bool:
        return self.final is not None and self.final.confirmed is not None

    def _baseline(self) -> Baseline | None:
        """Trial 0: the configuration at the start of the search."""
        from truetune.results.export import Baseline

        first = self._trial(TODAY)
        if first is None:
            return None
        today = None if self.final is None else self.final.today
        names = self.space.names(first.values)
        return Baseline(hyperparameters=names, score=first.score, confirmed=_record_of(today))

    def _finalists(self) -> FinalistsRecord | None:
        from truetune.results.export import FinalistRecord, FinalistsRecord

        final = self.final
        if final is None:
            return None
        return FinalistsRecord(
            runs=self.training.runs,
            confirmed=_record_of(final.confirmed),
            today=_record_of(final.today),
            gain=_record_of(final.gain),
            is_within_noise=final.is_within_noise,
            recommendation=final.recommendation,
            optimism=final.optimism,
            spread=final.spread,
            difference=final.difference,
            validation_share=final.validation_share,
            finalists=tuple(FinalistRecord(**asdict(finalist)) for finalist in final.finalists),
        )

    def verify(
        self,
        seeds: int = 7,
        seed: int = 0,
        progress: Callable[[PairedTraining], None] | None = None,
        announce: Callable[[str], None] = print,
    ) -> Verification:
        """Train today's configuration and the winner on the same seeds and compare them on the sealed test part.

        This opens the seal, which its ledger counts: a second reading for the same study is labelled exploratory.

        Args:
            seeds: number of pairs; at least 6 can end in a verdict.
            seed: the seeds of the pairs are derived from it.
            progress: called after each training.
            announce: called before training with a description of the smallest detectable difference.

        Raises:
            InputError: there is no winner, or it is today's configuration.
        """
        from truetune.training.tensorflow_start import start_tensorflow
        from truetune.verification.verification import Candidate

        best, today = self.best, self._trial(TODAY)
        if best is None or today is None or self.task is None or self.seal is None:
            raise InputError(f"Study '{self.study_name}' has no winner to compare. Run more trials first.")
        if best.number == today.number:
            raise InputError(
                "The winner is today's configuration, so before and after are equal. There is nothing to verify."
            )
        start_tensorflow()
        from truetune.verification.verify import VerifyOptions, verify_result

        chosen = todays_trial(self.trials, self.task.fit.most_epochs(int(self.meta["epochs"]), self.space))
        before = Candidate.of(self.task, self.space.names(today.values), None if chosen is None else chosen.course)
        after = Candidate.of(self.task, self.space.names(best.values), best.course)
        options = VerifyOptions(seeds, seed, announce=announce, progress=progress)
        options = options.with_known(best.score, self._finalists())
        return verify_result(self.task, before, after, self.seal, options)

    def leaderboard(self) -> pd.DataFrame:
        """One row per trial, best first: the finalists by the bound that decides, then the others by search score.

        Columns: number, state, search_score, fresh_score with its interval's ends low and high, seconds, epochs,
        parameters, reason, and every hyperparameter.
        """
        import pandas as pd

        places = {} if self.final is None else {f.trial: f for f in self.final.finalists}
        order = {number: place for place, number in enumerate(places)}
        sign = -1.0 if self.objective.direction == "max" else 1.0

        def rank(trial: Trial) -> tuple[int, float, int]:
            score = math.inf if trial.score is None else sign * trial.score
            return order.get(trial.number, len(order)), score, trial.number

        return pd.DataFrame([self._row(t, places.get(t.number)) for t in sorted(self.trials, key=rank)])

    def _row(self, trial: Trial, finalist: Finalist | None) -> dict[str, Any]:
        return {
            "number": trial.number,
            "state": trial.state.value,
            "search_score": trial.score,
            "fresh_score": None if finalist is None else finalist.mean,
            "low": None if finalist is None else finalist.low,
            "high": None if finalist is None else finalist.high,
            "seconds": round(trial.seconds, 2),
            "epochs": trial.epochs,
            "parameters": trial.parameters,
            "reason": trial.reason or ("" if finalist is None else finalist.reason),
            **self.space.names(trial.values),
        }


def _training_record(trial: Trial) -> tuple[StageRecord, ...]:
    """Nothing of a training that no recipe changes."""
    from truetune.results.export import StageRecord

    course = trial.course
    names = [stage.name for stage in trial.stages]
    rows = zip(names, course.epochs, course.learning_rates, strict=False)
    return tuple(StageRecord(name=name, epochs=n, learning_rates=rates) for name, n, rates in rows)


def _record_of(estimate: Estimate | None) -> EstimateRecord | None:
    from truetune.results.export import EstimateRecord

    return None if estimate is None else EstimateRecord(**asdict(estimate))


def _counted(trials: tuple[Trial, ...]) -> str:
    counts = {state: n for state, n in count_states(trials).items() if n}
    return ", ".join(f"{n} {state}" for state, n in counts.items()) or "no trial at all"
