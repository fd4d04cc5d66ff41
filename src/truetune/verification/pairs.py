"""The trainings of a verification: both candidates once per seed, each measured on the test part and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from truetune.data.clusters import Clusters
from truetune.data.dataset import Dataset
from truetune.statistics.bootstrap import cluster_counts
from truetune.task import Task
from truetune.verification.kept import KeptTrainings, Measured
from truetune.verification.verification import Candidate

Side = Literal["before", "after"]


@dataclass(frozen=True)
class PairedTraining:
    """One training of a verification, passed to `progress` when it ends.

    Attributes:
        done, total: trainings ended and in all.
        side: "before" or "after".
        seed: it was trained with.
        score: the metric on the test part.
        was_kept: an interrupted verification had trained it already.
    """

    done: int
    total: int
    side: Side
    seed: int
    score: float
    was_kept: bool = False


@dataclass(frozen=True)
class Pairs:
    """What all trainings of a verification share.

    Attributes:
        task: gives builder, preprocessing and metric.
        development, test: rows to train on, and to measure on.
        clusters: of the test rows.
        kept: trainings that were done already.
        draws_seed: of the draws of clusters, which all trainings share.
    """

    task: Task
    development: Dataset
    test: Dataset
    clusters: Clusters
    kept: KeptTrainings
    draws_seed: int

    def train(
        self,
        before: Candidate,
        after: Candidate,
        seeds: Sequence[int],
        progress: Callable[[PairedTraining], None] | None = None,
    ) -> tuple[list[Measured], list[Measured]]:
        """Train both sides once per seed, a pair after the other.

        Raises:
            ObjectiveError: the metric is not measured.
            TruetuneError: a training diverged.
        """
        from truetune.verification.retrain import metric_of

        measured: dict[Side, list[Measured]] = {"before": [], "after": []}
        for number, seed in enumerate(seeds):
            sides: tuple[tuple[Side, Candidate], ...] = (("before", before), ("after", after))
            for place, (side, candidate) in enumerate(sides, start=1):
                found, was_kept = self._measured(candidate, seed)
                measured[side].append(found)
                score = metric_of(self.task, found.metrics)
                if progress is not None:
                    progress(PairedTraining(2 * number + place, 2 * len(seeds), side, seed, score, was_kept))
        return measured["before"], measured["after"]

    def _measured(self, candidate: Candidate, seed: int) -> tuple[Measured, bool]:
        """One training, and whether it was kept."""
        key = {"candidate": candidate.digest, "seed": seed, "draws_seed": self.draws_seed}
        found = self.kept.find(key)
        if found is not None:
            return found, True
        found = self._train(candidate, seed)
        self.kept.keep(key, found)
        return found, False

    def _train(self, candidate: Candidate, seed: int) -> Measured:
        """Every metric of one training on the test part, and on its drawn clusters; the model is forgotten."""
        from truetune.verification.retrain import (
            metric_of,
            metrics_on_test,
            release,
            resampled_metrics_on_test,
            train_final,
        )

        counts = cluster_counts(len(self.clusters), self.draws_seed)
        try:
            retrained = train_final(
                self.task, self.development, candidate.values, candidate.epochs, seed, candidate.course
            )
            metrics = metrics_on_test(retrained, self.test)
            metric_of(self.task, metrics)
            drawn = resampled_metrics_on_test(retrained, self.test, self.clusters.parts, counts, metrics)
            return Measured(metrics, drawn, retrained.notes)
        finally:
            release()
