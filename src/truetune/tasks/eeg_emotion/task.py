"""The EEG emotion task: data in, `Task` out; the model's shape and heads follow the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from truetune.data.dataset import Array, Dataset, named
from truetune.data.grouping import UNSAID, Grouping
from truetune.errors import DataError, ObjectiveError
from truetune.task import Objective, Task
from truetune.tasks.eeg_emotion.builder import EmotionBuilder
from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING

EPOCHS = 30
PATIENCE = 8
DUMMY_SEED = 0
DUMMY_TRIALS_PER_CLASS = 8
DUMMY_EPOCHS = 4
"""Made-up signals are for trying things out: five trials on them should take a minute or two on two cores."""

MIN_METRICS = ("loss",)
METRICS = ("accuracy", "uar", "macro_f1", "loss")
"""What the builder logs for each head: accuracy, unweighted average recall, mean of F1 scores, cross-entropy."""


def make_task(
    data: Path | None = None,
    *,
    label: str | None = None,
    sfreq: float | None = None,
    dummy: bool = False,
    objective: str | None = None,
    epochs: int | None = None,
    cache_dir: Path | None = None,
    grouping: Grouping = UNSAID,
) -> Task:
    """Load the data and make a builder that fits them.

    Args:
        data: a file or folder in any format of `readers`.
        label: the column to predict; None takes the data's own emotion labels.
        sfreq: sampling rate in Hz, for formats that do not hold it.
        dummy: made-up signals of 20 subjects instead of `data`.
        objective: "accuracy", "uar", "macro_f1", "loss", or a metric's full name such as `val_valence_accuracy`; None
            is `val_emotion_accuracy`, or `val_accuracy` where the data carry one plain label.
        epochs: the most epochs of one trial; None is 30, for made-up signals 4.
        cache_dir: where extracted features are kept.
        grouping: which rows belong together, where the data do not say or something else is wanted.

    Raises:
        DataError: no data were given, both data and `dummy`, or data that cannot be used.
        ObjectiveError: the model will not log this objective.
    """
    _check_source(data, dummy)
    dataset = _dummy(label, cache_dir, grouping) if data is None else _read(data, label, sfreq, cache_dir, grouping)
    if dummy and epochs is None:
        epochs = DUMMY_EPOCHS
    return task_for(dataset, objective=objective, epochs=epochs)


def task_for(dataset: Dataset, *, objective: str | None = None, epochs: int | None = None) -> Task:
    """The task of features that are loaded already, X of shape (n, n_features)."""
    from sklearn.preprocessing import StandardScaler

    heads = heads_of(dataset)
    return Task(
        name="emotion",
        hypermodel=EmotionBuilder(_n_features(dataset), heads),
        data=dataset,
        objective=resolve_objective(objective, heads, dataset.main_output),
        epochs=EPOCHS if epochs is None else epochs,
        patience=PATIENCE,
        preprocessing=StandardScaler,
        mapping=EEG_EMOTION_MAPPING,
        study_prefix="emotion_recognition",
    )


def heads_of(dataset: Dataset) -> dict[str, int]:
    """Output name → number of classes; one plain label is called `label`."""
    main = dataset.main_output if isinstance(dataset.y, Mapping) else "label"
    columns = named(dataset.y, "label")
    return {name: _n_classes(dataset, values, name == main) for name, values in columns.items()}


def _n_classes(dataset: Dataset, values: Array, is_main: bool) -> int:
    known = len(dataset.class_names) if is_main else 0
    return max(known, 2, int(values.max()) + 1)


def _n_features(dataset: Dataset) -> int:
    if isinstance(dataset.X, Mapping) or dataset.X.ndim != 2:
        received = "several inputs" if isinstance(dataset.X, Mapping) else f"shape {dataset.X.shape}"
        raise DataError(f"The features have {received}. Expected one table of shape (rows, features).")
    return int(dataset.X.shape[1])


def resolve_objective(name: str | None, heads: Mapping[str, int], main: str | None = None) -> Objective:
    """`uar` → `val_emotion_uar`, or `val_uar` for a single head; full names stay.

    Raises:
        ObjectiveError: the model logs nothing of that name.
    """
    one = len(heads) == 1
    head = main or list(heads)[-1]
    known = {"loss": "val_loss"}
    known |= {metric: f"val_{metric}" if one else f"val_{head}_{metric}" for metric in METRICS if metric != "loss"}
    logged = {"val_loss", *known.values()}
    if not one:
        logged |= {f"val_{head}_{metric}" for head in heads for metric in METRICS}
    asked = "accuracy" if name is None else name
    resolved = known.get(asked, asked)
    if resolved not in logged:
        raise ObjectiveError(
            f"The objective '{asked}' is never logged by this model. Expected one of {', '.join(METRICS)}, or in full: "
            f"{', '.join(sorted(logged))}."
        )
    direction: Literal["min", "max"] = "min" if resolved.endswith(MIN_METRICS) else "max"
    return Objective(resolved, direction)


def _check_source(data: Path | None, dummy: bool) -> None:
    if dummy and data is not None:
        raise DataError(f"Both the data {data} and dummy data were asked for. Give one: --data, or --use-dummy-data.")
    if not dummy and data is None:
        raise DataError(
            "No data were given, and there is no folder data/. Expected --data DIR (a folder or file of EEG), or "
            "--use-dummy-data to try things out on made-up signals."
        )


def _read(data: Path, label: str | None, sfreq: float | None, cache_dir: Path | None, grouping: Grouping) -> Dataset:
    from truetune.tasks.eeg_emotion.readers import load

    independent = grouping.rows_are_independent
    return load(data, label, grouping.groups, cache_dir, sfreq=sfreq, rows_are_independent=independent)


def _dummy(label: str | None, cache_dir: Path | None, grouping: Grouping) -> Dataset:
    from truetune.tasks.eeg_emotion.features import extract
    from truetune.tasks.eeg_emotion.synthetic import dummy_recordings

    recordings = dummy_recordings(DUMMY_SEED, trials_per_class=DUMMY_TRIALS_PER_CLASS)
    return grouping.of(extract(replace(recordings, label=label), cache_dir))
