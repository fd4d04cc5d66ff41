"""The EEG emotion task: data in, `Task` out; the model's shape and heads follow the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from truetune.data.dataset import Dataset
from truetune.data.grouping import Grouping
from truetune.task import Task
from truetune.tasks.definition import TaskSettings
from truetune.tasks.eeg_emotion.builder import EmotionBuilder
from truetune.tasks.eeg_emotion.mapping import EEG_EMOTION_MAPPING
from truetune.tasks.eeg_emotion.options import EmotionOptions
from truetune.tasks.objectives import heads_of, n_features, resolve_objective
from truetune.tasks.sources import check_source

EPOCHS = 30
PATIENCE = 8
DUMMY_SEED = 0
DUMMY_TRIALS_PER_CLASS = 8
DUMMY_EPOCHS = 4
"""Made-up signals are for trying things out: five trials on them should take a minute or two on two cores."""


def make_task(options: EmotionOptions, settings: TaskSettings | None = None) -> Task:
    """Load the data and make a builder that fits them.

    The objective is `val_emotion_accuracy` where none is given, or `val_accuracy` where the data carry one plain label.
    Trials have at most 30 epochs, 4 on synthetic signals, which are of 20 subjects.

    Raises:
        DataError: no data were given, both data and synthetic ones, or data that cannot be used.
        ObjectiveError: the model will not log this objective.
    """
    settings = settings or TaskSettings()
    check_source(options.data, options.use_dummy_data, "EEG", "signals")
    epochs = settings.epochs
    if options.data is None:
        dataset = _dummy(options.label, settings.cache_dir, settings.grouping)
        epochs = DUMMY_EPOCHS if epochs is None else epochs
    else:
        dataset = _read(options.data, options, settings)
    task = task_for(dataset, objective=options.objective, epochs=epochs)
    return replace(task, options=options)


def task_for(dataset: Dataset, *, objective: str | None = None, epochs: int | None = None) -> Task:
    """The task of features that are loaded already, X of shape (n, n_features).

    Args:
        objective: "accuracy", "uar", "macro_f1", "loss", or a metric's full name such as `val_valence_accuracy`.
        epochs: the most epochs of one trial; None is 30.
    """
    from sklearn.preprocessing import StandardScaler

    heads = heads_of(dataset)
    return Task(
        name="emotion",
        hypermodel=EmotionBuilder(n_features(dataset), heads),
        data=dataset,
        objective=resolve_objective(objective, heads, dataset.main_output),
        epochs=EPOCHS if epochs is None else epochs,
        patience=PATIENCE,
        preprocessing=StandardScaler,
        mapping=EEG_EMOTION_MAPPING,
        study_prefix="emotion_recognition",
    )


def _read(data: Path, options: EmotionOptions, settings: TaskSettings) -> Dataset:
    from truetune.tasks.eeg_emotion.readers import load

    return load(
        data,
        options.label,
        settings.grouping.groups,
        settings.cache_dir,
        sfreq=options.sfreq,
        rows_are_independent=settings.grouping.rows_are_independent,
    )


def _dummy(label: str | None, cache_dir: Path | None, grouping: Grouping) -> Dataset:
    from truetune.tasks.eeg_emotion.features import extract
    from truetune.tasks.eeg_emotion.synthetic import dummy_recordings

    recordings = dummy_recordings(DUMMY_SEED, trials_per_class=DUMMY_TRIALS_PER_CLASS)
    return grouping.of(extract(replace(recordings, label=label), cache_dir))
