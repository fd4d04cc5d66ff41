"""The winner, trained once more on all rows that are not sealed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from truetune.config.apply import current_values
from truetune.config.mapping import ConfigMapping
from truetune.data.dataset import Array, Dataset
from truetune.errors import ConfigError, InputError, ObjectiveError, SpaceError
from truetune.hyperparameters import HyperParameters, fixed
from truetune.space import Value
from truetune.task import Task
from truetune.training.building.build import build
from truetune.training.fit import fit_preprocessing, overrides_fit, seed_everything
from truetune.training.folds.pooled import State, added, metrics_of, resampled_metrics, states_of_parts
from truetune.training.logged import numbers
from truetune.training.measured import check_built, check_finite
from truetune.training.rows import x_y_weights
from truetune.trial import TrainingCourse
from truetune.verification.final_fit import fit_recipe, full_course
from truetune.verification.search_seal import exported, seal_place
from truetune.verification.trained_files import Retrained, TrainedFiles, save
from truetune.verification.verification import Candidate, full_epochs


@dataclass(frozen=True)
class RetrainReport:
    """What `retrain_from_config` did.

    Attributes:
        files: where the model was written.
        n_development, n_test: rows trained on, rows that stayed sealed.
        sealed_by: "subject", "row" or "given".
        retrained: the model itself.
    """

    files: TrainedFiles
    n_development: int
    n_test: int
    sealed_by: str
    retrained: Retrained = field(repr=False)

    def __str__(self) -> str:
        lines = [
            f"Trained {self.retrained.epochs} epochs on {self.n_development} rows (training and validation).",
            f"The {self.n_test} test rows stay sealed (by {self.sealed_by}); `truetune verify` opens them.",
            f"Model: {self.files.model}",
            f"History: {self.files.history}",
        ]
        if self.files.preprocessing is not None:
            lines.append(f"Preprocessing: {self.files.preprocessing}")
        lines += [f"Note: {line}" for line in self.retrained.notes]
        return "\n".join(lines)


def retrain_from_config(
    task: Task, config: Path, directory: Path = Path("models"), *, seed: int = 0, epochs: int | None = None
) -> RetrainReport:
    """Build the model of `config`, train on all rows that are not sealed, and save.

    The test part is the one that the search sealed, where `directory` holds its result for the same data; else it is
    sealed now. It is not looked at: every look uses it up, and `truetune verify` has the better use for it.

    Args:
        task: gives data, builder, preprocessing and mapping.
        config: the config file; read as source.
        directory: where the search wrote, and where the model goes.
        seed: of the training.
        epochs: None takes the config's, which `apply` sets to the winner's; else the task's.

    Raises:
        ConfigError, SpaceError: the config cannot be read, or holds values that the builder refuses.
        StorageError: the model cannot be written.
    """
    dataset = task.load()
    sealed = seal_place(task, dataset, directory, seed).open()
    stated = config_values(task, config, directory)
    if epochs is not None and task.fit.stages:
        raise InputError(
            f"epochs={epochs} was given, but the task trains in {len(task.fit.stages)} stages. Expected none: each "
            "stage has its own; change them in the recipe."
        )
    development = sealed.development(dataset)
    candidate = stated_candidate(task, stated, directory, development)
    epochs = epochs or (candidate.epochs if task.fit.stages else _config_epochs(config, stated, task.epochs))
    course = candidate.course if epochs == candidate.epochs else None
    retrained = train_final(task, development, candidate.values, epochs, seed, course)
    files = save(retrained, directory, task.name)
    return RetrainReport(files, len(development), len(sealed.test_rows), sealed.by, retrained)


def config_values(task: Task, config: Path, directory: Path = Path("models")) -> dict[str, Value]:
    """What `config` states, by hyperparameter name; more than the model may use.

    Without a mapping of the task, upper-case keys stand for the hyperparameters of the last export.
    """
    mapping = task.mapping or ConfigMapping()
    if mapping.has_typed_keys_only:
        best = exported(directory)
        mapping = mapping.with_names(best.hyperparameters if best is not None else ())
    return current_values(config, mapping)


def stated_candidate(task: Task, stated: Mapping[str, Value], directory: Path, rows: Dataset) -> Candidate:
    """What a config states: trained as the search trained it where it is the winner that was exported last. `rows` are
    any that are not sealed.
    """
    values = active_values(task, stated, rows)
    full = full_epochs(task, values if task.fit.stages else stated)
    best = exported(directory)
    if best is None or not task.fit.changes_training or dict(best.hyperparameters) != dict(values):
        return Candidate(values, full)
    stages = best.metadata.training
    rates = tuple(tuple(math.nan if rate is None else rate for rate in s.learning_rates) for s in stages)
    course = TrainingCourse(tuple(stage.epochs for stage in stages), rates)
    if not stages or (not task.fit.stages and course.total != full):
        return Candidate(values, full)
    return Candidate(values, course.total, course)


def _config_epochs(config: Path, values: Mapping[str, Value], otherwise: int) -> int:
    epochs = values.get("epochs", otherwise)
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ConfigError(f"{config} states {epochs!r} epochs. Expected an integer of at least 1; correct it.")
    return epochs


def build_with(task: Task, values: Mapping[str, Value], rows: Dataset | None = None) -> tuple[Any, HyperParameters]:
    """The compiled model of `values`, and the `hp` that answered for it; measured against `values`. A model without an
    input layer is shown some of `rows`, which are preprocessed.

    Raises:
        SpaceError: a value is missing, outside its range, or not found on the model.
    """
    hp = HyperParameters(fixed(values))
    model = build(task.hypermodel, hp, task.fit, rows)
    check_built(model, hp.values, task.hypermodel)
    return model, hp


def active_values(task: Task, values: Mapping[str, Value], rows: Dataset) -> dict[str, Value]:
    """Those of `values` that the builder asks for: a `config.py` holds more, e.g. LSTM units of a model without."""
    if overrides_fit(task.hypermodel):
        return dict(values)
    return dict(build_with(task, values, _few(task, rows) if task.fit.stages else None)[1].values)


def _few(task: Task, rows: Dataset) -> Dataset:
    """Two of `rows`, preprocessed."""
    return fit_preprocessing(task.preprocessing, rows)(rows.take(np.arange(min(2, len(rows)))))[0]


def train_final(
    task: Task,
    development: Dataset,
    values: Mapping[str, Value],
    epochs: int,
    seed: int,
    course: TrainingCourse | None = None,
) -> Retrained:
    """Build from `values` and train on every row of `development` for `epochs` epochs.

    There is no validation part and no early stopping: the number of epochs was found by the search. The recipe is the
    task's; what becomes of callbacks that watch validation rows is in `Retrained.notes`.

    Args:
        task: gives builder, preprocessing and recipe.
        development: all rows that are not sealed.
        values: hyperparameters by name, exactly those the model uses.
        epochs: epochs to train in all.
        seed: of weights, dropout and the order of rows.
        course: epochs and learning rates of each stage, as the search found them; None trains every stage in full.

    Raises:
        SpaceError: a value is missing, outside its range, never asked for, or not found on the model.
        TruetuneError: the loss became NaN or infinite, a callback ended the training, or the wrong weights moved.
    """
    seed_everything(seed)
    transform = fit_preprocessing(task.preprocessing, development)
    train = transform(development)[0]
    model, hp = build_with(task, values, train)
    own_fit = overrides_fit(task.hypermodel)  # it may ask `hp` for more, and make steps as it likes
    if not own_fit:
        _check_all_asked(values, hp)
    fitted = fit_recipe(task, hp, model, train, course or full_course(task, hp, epochs), seed)
    check_finite(fitted.history)
    return Retrained(
        model,
        dict(hp.values),
        epochs,
        seed,
        len(train),
        fitted.history,
        transform,
        transform.transformers,
        fitted.notes,
    )


def metrics_on_test(retrained: Retrained, test: Dataset) -> dict[str, float]:
    """Every metric of the compiled model, and its loss, on rows that it has not seen.

    Weights of the rows count as they do in validation: in the loss and in `weighted_metrics`, not in `metrics`.
    """
    x, y, *weights = x_y_weights(retrained.transform(test)[0])
    logs = retrained.model.evaluate(x, y, sample_weight=next(iter(weights), None), verbose=0, return_dict=True)
    return numbers(logs)


def resampled_metrics_on_test(
    retrained: Retrained, test: Dataset, parts: Sequence[Array], counts: Array, whole: Mapping[str, float]
) -> dict[str, Array]:
    """The metrics over parts of the test rows drawn with replacement, without those that cannot be added up.

    Args:
        retrained: its model, evaluated once.
        test: rows that it has not seen.
        parts: row numbers of each part; together all rows.
        counts: how often each part is in each draw, shape (n_draws, n_parts).
        whole: the metrics on all rows; what the parts add up to must agree, or a metric of the user's own keeps
            something that cannot be added.
    """
    rows = retrained.transform(test)[0]
    states = states_of_parts(retrained.model, rows, parts)
    sums = metrics_of(retrained.model, added(states))
    added_up = {name for name, value in sums.items() if math.isclose(value, whole[name], rel_tol=1e-5, abs_tol=1e-7)}
    drawn = resampled_metrics(retrained.model, states, counts)
    return {name: values for name, values in drawn.items() if name in added_up}


def states_on_test(
    task: Task, train: Dataset, test: Dataset, trained: Candidate, seeds: Sequence[int]
) -> tuple[list[State], float]:
    """What the metrics count on `test`, one training a seed; and the objective's metric of all of them together."""
    states: list[State] = []
    score = math.nan
    for seed in seeds:
        try:
            retrained = train_final(task, train, trained.values, trained.epochs, seed, trained.course)
            rows = retrained.transform(test)[0]
            states += states_of_parts(retrained.model, rows, [np.arange(len(test))])
            score = metric_of(task, metrics_of(retrained.model, added(states)))
        finally:
            release()
    return states, score


def pooled_metrics(task: Task, rows: Dataset, values: Mapping[str, Value], states: Sequence[State]) -> dict[str, float]:
    """Every metric of the model, from what it counted on several parts.

    Args:
        task: gives builder and preprocessing.
        rows: any rows; two of them make the metrics count for the first time.
        values: of any model that has these metrics.
        states: of the parts.
    """
    few = _few(task, rows)
    model = build_with(task, values, few)[0]
    states_of_parts(model, few, [np.arange(len(few))])  # Keras makes the metrics' variables at the first batch
    return metrics_of(model, added(states))


def metric_of(task: Task, metrics: Mapping[str, float]) -> float:
    """The objective's value among test metrics, which carry no `val_`.

    Raises:
        ObjectiveError: it is not there.
    """
    name = task.objective.name.removeprefix("val_")
    if name not in metrics:
        raise ObjectiveError(
            f"The metric '{name}' of objective '{task.objective.name}' is not measured on the test part. Received: "
            f"{', '.join(sorted(metrics))}. Pass one of these as objective, or add the metric in `compile`."
        )
    return metrics[name]


def release() -> None:
    """Give back what Keras keeps of models that are no longer used."""
    keras.backend.clear_session()


def _check_all_asked(values: Mapping[str, Value], hp: HyperParameters) -> None:
    unasked = sorted(set(values) - set(hp.values))
    if unasked:
        raise SpaceError(
            f"The builder never asked for {', '.join(unasked)}. Expected only hyperparameters that this model uses: "
            f"{', '.join(sorted(hp.values))}. Remove the others, or use the builder they were found with."
        )
