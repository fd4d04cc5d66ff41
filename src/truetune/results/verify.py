"""Did it really get better? "Before" and "after" on the same seeds, scored on rows that no search has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from truetune.data.dataset import Dataset
from truetune.errors import InputError
from truetune.results.verdict import Verdict, compare
from truetune.seeds import derive_seed
from truetune.space import Value
from truetune.task import Task

LEAST_PAIRS = 5

Side = Literal["before", "after"]


@dataclass(frozen=True)
class Candidate:
    """Hyperparameters by name, and the epochs to train them."""

    values: Mapping[str, Value]
    epochs: int


@dataclass(frozen=True)
class Training:
    """One training of a verification, as `progress` hears of it when it ends.

    Attributes:
        done, total: trainings ended and in all.
        side: "before" or "after".
        seed: it was trained with.
        score: the metric on the test part.
    """

    done: int
    total: int
    side: Side
    seed: int
    score: float


@dataclass(frozen=True)
class Verification:
    """What a verification measured.

    Attributes:
        verdict: the paired comparison.
        metric: name of what was measured on the test part.
        before, after: scores, element i of both from `seeds[i]`.
        seeds: of the trainings.
        n_development, n_test: rows trained on, rows measured on.
    """

    verdict: Verdict
    metric: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    seeds: tuple[int, ...]
    n_development: int
    n_test: int

    def __str__(self) -> str:
        return f"{self.metric} on {self.n_test} sealed test rows\n{self.verdict}"


def verify(
    task: Task,
    development: Dataset,
    test: Dataset,
    before: Candidate,
    after: Candidate,
    *,
    seeds: int = LEAST_PAIRS,
    seed: int = 0,
    progress: Callable[[Training], None] | None = None,
) -> Verification:
    """Train both candidates on all development rows, once per seed, and compare them on the test part.

    Both members of a pair share the seed of weights, dropout and row order.

    Args:
        task: gives builder, preprocessing and metric (the objective's, without `val_`).
        development: rows that are not sealed.
        test: the sealed rows; read here.
        before, after: what to compare.
        seeds: number of pairs, at least 5.
        seed: the seeds of the pairs are derived from it.
        progress: called after each training.

    Raises:
        InputError: fewer than 5 pairs, values that the builder refuses, or a metric that is not measured.
        TruetuneError: a training diverged; it has no score, so there is no verdict.
    """
    check_pairs(seeds)
    drawn = tuple(derive_seed(seed, "verify", i) for i in range(seeds))
    candidates: dict[Side, Candidate] = {"before": before, "after": after}
    scores: dict[Side, list[float]] = {"before": [], "after": []}
    for number, pair_seed in enumerate(drawn):
        for place, (side, candidate) in enumerate(candidates.items(), start=1):
            score = train_and_score(task, development, test, candidate, pair_seed)
            scores[side].append(score)
            if progress is not None:
                progress(Training(2 * number + place, 2 * seeds, side, pair_seed, score))
    return Verification(
        verdict=compare(scores["before"], scores["after"], task.objective.direction),
        metric=task.objective.name.removeprefix("val_"),
        before=tuple(scores["before"]),
        after=tuple(scores["after"]),
        seeds=drawn,
        n_development=len(development),
        n_test=len(test),
    )


def verify_from_config(
    task: Task,
    config: Path,
    directory: Path = Path("models"),
    *,
    seeds: int = LEAST_PAIRS,
    seed: int = 0,
    progress: Callable[[Training], None] | None = None,
) -> Verification:
    """Compare `config` as it is with what it was before the last apply, on the test part that the search sealed.

    Args:
        task: gives data, builder, preprocessing, metric and mapping.
        config: the config file; read as source, its backup too.
        directory: where the search wrote.
        seeds, seed, progress: as for `verify`.

    Raises:
        ConfigError: nothing was applied to `config`, so there is no "before".
    """
    from truetune.results.apply import before_values
    from truetune.results.retrain import active_values, config_values, open_seal

    dataset = task.load()
    sealed = open_seal(task, dataset, directory, seed)
    now = config_values(task, config, directory)
    then = before_values(config, task.mapping)
    before, after = (
        Candidate(active_values(task, stated), int(stated.get("epochs", task.epochs))) for stated in (then, now)
    )
    development, test = sealed.development(dataset), sealed.test(dataset)
    return verify(task, development, test, before, after, seeds=seeds, seed=seed, progress=progress)


def check_pairs(seeds: int) -> None:
    """Raises InputError when there are too few pairs for a verdict."""
    if seeds < LEAST_PAIRS:
        raise InputError(f"{seeds} seeds were given. Expected at least {LEAST_PAIRS} pairs; fewer show nothing.")


def train_and_score(task: Task, development: Dataset, test: Dataset, candidate: Candidate, seed: int) -> float:
    """The metric on `test` of one training; the model is forgotten."""
    from truetune.results.retrain import metric_of, release, test_metrics, train_final

    try:
        retrained = train_final(task, development, candidate.values, candidate.epochs, seed)
        return metric_of(task, test_metrics(retrained, test))
    finally:
        release()
