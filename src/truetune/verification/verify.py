"""Did it really get better? "Before" and "after" on the same seeds, scored on rows that no search has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from truetune.data.clusters import Clusters, clusters_of
from truetune.data.dataset import Dataset
from truetune.errors import InputError
from truetune.seeds import derive_seed
from truetune.statistics.bootstrap import Resampled
from truetune.statistics.power import Design, foresee
from truetune.statistics.verdict import compare
from truetune.system.checksum import checksum
from truetune.task import Task
from truetune.verification.kept import FOLDER, KeptTrainings, Measured, recipe_digest, source_digest
from truetune.verification.pairs import PairedTraining, Pairs
from truetune.verification.verification import Candidate, Verification

if TYPE_CHECKING:
    from truetune.data.sealing.seal import Seal
    from truetune.results.export import BestHyperparameters, FinalistsRecord

LEAST_PAIRS = 5
PAIRS = 7


@dataclass(frozen=True)
class VerifyOptions:
    """How to verify.

    Attributes:
        seeds: number of pairs, at least 5; fewer than 6 cannot end in a verdict.
        seed: the seeds of the pairs, and the draws of the bootstrap, are derived from it.
        score: about what the metric will be, for the foresight; None where nothing is known.
        spread: standard deviation of the metric from training to training; None where nothing is known.
        difference: standard deviation of the difference of two configurations from one part of the development rows to
            the next; None where nothing is known.
        validation_share: of the development rows, those that such a difference was measured on.
        announce: called with the smallest detectable difference before the sealed rows are opened.
        progress: called after each training.
    """

    seeds: int = PAIRS
    seed: int = 0
    score: float | None = None
    spread: float | None = None
    difference: float | None = None
    validation_share: float | None = None
    announce: Callable[[str], None] | None = field(default=None, compare=False)
    progress: Callable[[PairedTraining], None] | None = field(default=None, compare=False)

    def with_known(self, score: float | None, finalists: FinalistsRecord | None) -> VerifyOptions:
        """What is not given yet is taken from a search; fresh runs know better than the best trial's `score`."""
        if finalists is None:
            return replace(self, score=score if self.score is None else self.score)
        confirmed = score if finalists.confirmed is None else finalists.confirmed.mean
        return replace(
            self,
            score=confirmed if self.score is None else self.score,
            spread=finalists.spread if self.spread is None else self.spread,
            difference=finalists.difference if self.difference is None else self.difference,
            validation_share=finalists.validation_share if self.validation_share is None else self.validation_share,
        )

    @property
    def drawn(self) -> tuple[int, ...]:
        """The seeds of the pairs; a larger number of seeds begins with the same ones."""
        return tuple(derive_seed(self.seed, "verify", i) for i in range(self.seeds))


def verify_from_config(
    task: Task, config: Path, directory: Path = Path("models"), options: VerifyOptions | None = None
) -> Verification:
    """Compare `config` as it is with what it was before the last apply, on the test part that the search sealed.

    Args:
        task: gives data, builder, preprocessing, metric and mapping.
        config: the config file; read as source, its backup too.
        directory: where the search wrote.
        options: None takes the defaults; scores that they leave out are those of the exported search.

    Raises:
        ConfigError: nothing was applied to `config`, so there is no "before".
        As `verify_result`.
    """
    from truetune.config.apply import before_values
    from truetune.verification.retrain import config_values, stated_candidate
    from truetune.verification.search_seal import exported, seal_place

    options = options or VerifyOptions()
    check_pairs(options.seeds)
    dataset = task.load()
    place = seal_place(task, dataset, directory, options.seed)
    development = place.open().development(dataset)
    now = config_values(task, config, directory)
    then = before_values(config, task.mapping)
    before, after = (stated_candidate(task, stated, directory, development) for stated in (then, now))
    options = _foreknown(options, task, exported(directory))
    return verify_result(replace(task, data=dataset), before, after, place.path, options)


def foresee_from_config(task: Task, directory: Path = Path("models"), options: VerifyOptions | None = None) -> str:
    """What `verify_from_config` could find, for a person. Nothing is trained, and the sealed rows stay sealed.

    Data without a search have no seal yet; then it is made, as by `verify_from_config`.

    Args:
        task: gives data and metric.
        directory: where the search wrote.
        options: as for `verify_from_config`.

    Raises:
        InputError: fewer than 5 pairs.
        StudyError: the seal is damaged, or of other data.
    """
    from truetune.verification.search_seal import exported, seal_place

    options = options or VerifyOptions()
    check_pairs(options.seeds)
    dataset = task.load()
    sealed = seal_place(task, dataset, directory, options.seed).open()
    return _foreseen(task, dataset, sealed, _foreknown(options, task, exported(directory)))


def verify_result(
    task: Task, before: Candidate, after: Candidate, seal_path: Path, options: VerifyOptions | None = None
) -> Verification:
    """Compare two candidates on the test part that `seal_path` seals, and enter that into its ledger.

    What can be found is announced before: whoever stops there has not looked.

    Trainings are kept beside the seal as they end: an interrupted verification that is run again goes on where it was,
    as the same read of the test part.

    Args:
        task: gives data, builder, preprocessing and metric.
        before, after: what to compare.
        seal_path: the study's `seal.json`; made where it is missing.
        options: None takes the defaults.

    Raises:
        InputError: fewer than 5 pairs, values that the builder refuses, or a metric that is not measured.
        StudyError: the seal or the ledger is damaged, or of other data.
        TruetuneError: a training diverged; it has no score, so there is no verdict.
    """
    from truetune.data.sealing.ledger import Read, note_outcome, open_test
    from truetune.data.sealing.seal import seal

    options = options or VerifyOptions()
    check_pairs(options.seeds)
    dataset = task.load()
    sealed = seal(dataset, seal_path, options.seed)
    if options.announce is not None:
        options.announce(_foreseen(task, dataset, sealed, options))
    asked = Read("verify", before.digest, after.digest, options.drawn)
    opened = open_test(sealed, dataset, seal_path, asked)
    kept = KeptTrainings(seal_path.parent / FOLDER, _common(task, sealed))
    found = verify(task, sealed.development(dataset), opened.rows, before, after, options, kept)
    note_outcome(seal_path, opened.read, found.verdict.outcome)
    return replace(found, n_earlier_reads=opened.n_earlier)


def verify(
    task: Task,
    development: Dataset,
    test: Dataset,
    before: Candidate,
    after: Candidate,
    options: VerifyOptions | None = None,
    kept: KeptTrainings | None = None,
) -> Verification:
    """Train both candidates on all development rows, once per seed, and compare them on the test part.

    Both members of a pair share the seed of weights, dropout and row order.

    Args:
        task: gives builder, preprocessing and metric (the objective's, without `val_`).
        development: rows that are not sealed.
        test: the sealed rows; read here.
        before, after: what to compare.
        options: None takes the defaults; nothing is announced here, where the sealed rows are open already.
        kept: trainings that were done already; None keeps none.

    Raises:
        As `verify_result`, but for the seal.
    """
    options = options or VerifyOptions()
    check_pairs(options.seeds)
    clusters = clusters_of(test, options.seed)
    metric = task.objective.name.removeprefix("val_")
    pairs = Pairs(task, development, test, clusters, kept or KeptTrainings(None, {}), options.seed)
    first, second = pairs.train(before, after, options.drawn, options.progress)
    resampled, notes = _resampled(metric, first, second, clusters, options.seed)
    scores = [[measured.metrics[metric] for measured in side] for side in (first, second)]
    return Verification(
        verdict=compare(scores[0], scores[1], task.objective.direction, resampled=resampled),
        metric=metric,
        seeds=options.drawn,
        metrics_before=tuple(m.metrics for m in first),
        metrics_after=tuple(m.metrics for m in second),
        n_development=len(development),
        n_test=len(test),
        notes=tuple(dict.fromkeys([*notes, *(note for side in (first, second) for m in side for note in m.notes)])),
    )


def check_pairs(seeds: int) -> None:
    """Raises InputError when there are too few pairs for a verdict."""
    if seeds < LEAST_PAIRS:
        raise InputError(f"{seeds} seeds were given. Expected at least {LEAST_PAIRS} pairs; fewer show nothing.")


def _resampled(
    metric: str, before: list[Measured], after: list[Measured], clusters: Clusters, seed: int
) -> tuple[Resampled | None, tuple[str, ...]]:
    """The metric on drawn clusters, where every training has it; else why not."""
    if len(clusters) < 2:
        return None, ("One test row: the interval covers the chance in training alone.",)
    drawn = [[m.resampled.get(metric) for m in side] for side in (before, after)]
    if any(values is None or not np.isfinite(values).all() for side in drawn for values in side):
        return None, (
            f"{metric} of all test rows does not follow from what it counts on parts of them, so the interval covers "
            "the chance in training alone, not the choice of test rows.",
        )
    first, second = (np.stack([np.asarray(values) for values in side]) for side in drawn)
    notes: tuple[str, ...] = ()
    if not clusters.are_groups:
        notes = (f"Test rows were drawn in {len(clusters)} random blocks, as if they were unrelated.",)
    return Resampled(first, second, len(clusters), clusters.by, seed), notes


def _foreknown(options: VerifyOptions, task: Task, best: BestHyperparameters | None) -> VerifyOptions:
    """`options` with the scores of the exported search, if it had the same objective."""
    if best is None or best.metadata.objective.name != task.objective.name:
        return options
    return options.with_known(best.metadata.best_score, best.metadata.finalists)


def _foreseen(task: Task, dataset: Dataset, sealed: Seal, options: VerifyOptions) -> str:
    """Of the sealed rows, their number and groups are all that is asked."""
    clusters = clusters_of(dataset.take(sealed.test_rows), options.seed)
    design = Design(
        task.objective.name.removeprefix("val_"),
        options.seeds,
        len(sealed.test_rows),
        n_subjects=len(clusters) if clusters.are_groups else None,
        score=options.score,
        spread=options.spread,
        difference=None if options.validation_share is None else options.difference,
        n_measured=round(len(sealed.development_rows) * (options.validation_share or 0.0)),
    )
    return foresee(design)


def _common(task: Task, sealed: Seal) -> Mapping[str, Any]:
    """What a kept training depends on besides its candidate and seed."""
    from truetune.system.versions import versions

    return {
        "task": task.name,
        **recipe_digest(task.fit),
        "builder": source_digest(task.hypermodel),
        "preprocessing": source_digest(task.preprocessing) if task.preprocessing is not None else "",
        "test_part": sealed.digest,
        "versions": checksum(versions()),
    }
