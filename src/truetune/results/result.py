"""What a search found."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truetune.errors import ExportError
from truetune.results.select import best_trial, count_states
from truetune.space import Space, Value
from truetune.task import Objective
from truetune.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

    from truetune.results.export import Baseline

PACKAGES = ("truetune", "keras-tuner", "optuna", "keras", "tensorflow", "numpy")


@dataclass(frozen=True)
class Result:
    """The trials of a study, and the best of them.

    Attributes:
        study_name, storage: open it with `optuna.load_study(study_name=…, storage=…)`.
        objective: what decided.
        trials: all, by number.
        space: what was searched.
        meta: how the study was made: method, algorithm, data, seed, ….
        best_weights: file with the winner's weights, for `load_weights` of a model built from `best_hyperparameters`;
            None where they were not kept, or are on another machine.
    """

    study_name: str
    storage: str = field(repr=False)
    objective: Objective
    trials: tuple[Trial, ...]
    space: Space
    meta: Mapping[str, Any]
    best_weights: Path | None = None

    @property
    def best(self) -> Trial | None:
        """The winner; None where no trial finished."""
        return best_trial(self.trials, self.objective)

    @property
    def best_score(self) -> float | None:
        """The objective of the winner's kept weights on the validation part."""
        return None if self.best is None else self.best.score

    @property
    def best_hyperparameters(self) -> dict[str, Value]:
        """By name, only those that the winning model uses; empty where no trial finished."""
        return {} if self.best is None else self.space.names(self.best.values)

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
                f"Study '{self.study_name}' has no finished trial ({_counted(self.trials)}), so nothing was exported. "
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
            epochs=best.best_epoch,
            baseline=self._baseline(),
        )
        BestHyperparameters(hyperparameters=self.best_hyperparameters, metadata=metadata).write(path)
        return Path(path)

    def _baseline(self) -> Baseline | None:
        """Trial 0: what the configuration was when the search began."""
        from truetune.results.export import Baseline

        if not self.trials or self.trials[0].number != 0:
            return None
        first = self.trials[0]
        return Baseline(hyperparameters=self.space.names(first.values), score=first.score)

    def leaderboard(self) -> pd.DataFrame:
        """A row a trial, best first: number, state, score, epochs, seconds, parameters, and every hyperparameter."""
        import pandas as pd

        rows = [
            {
                "number": t.number,
                "state": t.state.value,
                "score": t.score,
                "epochs": t.epochs,
                "seconds": round(t.seconds, 2),
                "parameters": t.parameters,
                "reason": t.reason,
                **self.space.names(t.values),
            }
            for t in self.trials
        ]
        frame = pd.DataFrame(rows)
        if frame.empty:
            return frame
        return frame.sort_values("score", ascending=self.objective.direction == "min", ignore_index=True)


def versions() -> dict[str, str]:
    """Of the packages that a result depends on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _counted(trials: tuple[Trial, ...]) -> str:
    counts = {state: n for state, n in count_states(trials).items() if n}
    return ", ".join(f"{n} {state}" for state, n in counts.items()) or "no trial at all"
