"""`truetune.tune` in this process: budget, resume, and what a study refuses to go on with."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import truetune
from truetune.errors import BuildError, DataError, InputError, RepeatedFailure, StudyError
from truetune.storage.store import open_store
from truetune.study.events import Observer
from truetune.trial import TrialState


class Notes(Observer):
    def __init__(self):
        self.lines, self.ended = [], []

    def note(self, line):
        self.lines.append(line)

    def trial_ended(self, trial, worker):
        self.ended.append(trial.number)


def build(hp):
    import keras

    width = hp.Int("width", 1, 50)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(width, "relu"), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def wider(hp):
    hp.Int("width", 1, 60)


def breaking(hp):
    model = build(hp)
    model.fit = None
    return model


def broken(hp):
    raise ValueError("no such layer")


def small_task(blobs, **changes):
    task = truetune.Task("small", build, blobs, truetune.Objective("val_accuracy", "max"), epochs=1)
    return replace(task, **changes)


def tuned(task, folder, max_trials=2, **options):
    return truetune.tune(task, "optuna", max_trials, workers=0, directory=folder, **options)


def test_importing_truetune_loads_nothing_heavy():
    code = "import sys, truetune; print([m for m in ('tensorflow', 'keras', 'optuna', 'sklearn') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_are_there_and_others_are_not():
    for name in truetune.__all__:
        assert getattr(truetune, name) is not None
    assert set(truetune.__all__) <= set(dir(truetune))
    with pytest.raises(AttributeError, match=r"no attribute 'tun'"):
        truetune.tun


@pytest.mark.parametrize(
    ("wrong", "what"), [({"max_trials": 0}, "max_trials=0"), ({"method": "annealing"}, "'annealing' does not exist")]
)
def test_bad_options_are_refused_before_the_data_are_loaded(tmp_path, wrong, what):
    def never():
        raise AssertionError("loaded")

    task = truetune.Task("small", build, never, truetune.Objective("val_accuracy", "max"))
    with pytest.raises(InputError, match=what):
        truetune.tune(task, directory=tmp_path, **wrong)


def test_bad_data_are_refused_before_anything_is_written(tmp_path, blobs):
    blobs.X[3, 0] = np.nan
    with pytest.raises(DataError, match=r"NaN or infinity"):
        tuned(small_task(blobs), tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_data_of_one_subject_are_refused(tmp_path, blobs):
    with pytest.raises(DataError, match=r"one subject"):
        tuned(small_task(replace(blobs, groups=np.zeros(160))), tmp_path)


@pytest.mark.tensorflow
def test_a_search_is_resumed_extended_and_exact(tmp_path, blobs):
    first = tuned(small_task(blobs), tmp_path)
    assert [t.number for t in first.trials] == [0, 1]
    notes = Notes()
    second = tuned(small_task(blobs), tmp_path, max_trials=3, observer=notes)
    assert second.trials[:2] == first.trials
    assert notes.ended == [2]
    assert any("Resuming study 'small_optuna': 2 of 3 trials finished." in line for line in notes.lines)
    notes = Notes()
    assert tuned(small_task(blobs), tmp_path, max_trials=3, observer=notes).trials == second.trials
    assert notes.ended == []


@pytest.mark.tensorflow
def test_an_interrupted_run_goes_on_with_the_same_values(tmp_path, blobs):
    class Interrupting(Notes):
        def epoch_ended(self, number, epoch, value):
            if number == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(small_task(blobs), tmp_path, max_trials=3, observer=Interrupting())
    store = open_store(f"sqlite:///{tmp_path}/tuning/optuna.db", "small_optuna")
    interrupted = store.trials()[1]
    store.close()
    assert interrupted.state is TrialState.RUNNING

    notes = Notes()
    result = tuned(small_task(blobs), tmp_path, max_trials=3, observer=notes)
    assert notes.ended == [1, 2]
    assert any("interrupted trials to train again: 1." in line for line in notes.lines)
    assert (result.trials[1].values, result.trials[1].attempt) == (interrupted.values, 1)
    assert result.trials[1].reports == interrupted.reports


@pytest.mark.tensorflow
def test_another_space_or_other_data_are_refused_and_fresh_archives(tmp_path, blobs):
    tuned(small_task(blobs), tmp_path, max_trials=1)

    def other(hp):
        wider(hp)
        return build_fixed()

    with pytest.raises(StudyError, match=r"search space: width: was 1…50 .* now 1…60"):
        tuned(small_task(blobs, hypermodel=other), tmp_path)
    changed = replace(blobs, X=blobs.X + 1)
    with pytest.raises(StudyError, match=r"(?s)data: was fingerprint.*--fresh"):
        tuned(small_task(changed), tmp_path)

    notes = Notes()
    result = tuned(small_task(changed), tmp_path, max_trials=1, fresh=True, observer=notes)
    assert len(result.trials) == 1
    archived = [line for line in notes.lines if "Archived the earlier study as 'small_optuna_archived_" in line]
    assert archived
    kept = open_store(result.storage, archived[0].split("'")[1])
    assert len(kept.trials()) == 1
    kept.close()


def build_fixed():
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.tensorflow
def test_three_failures_for_one_reason_stop_the_search(tmp_path, blobs):
    with pytest.raises(RepeatedFailure, match=r"3 trials in a row failed for the same reason: TypeError"):
        tuned(small_task(blobs, hypermodel=breaking), tmp_path, max_trials=10)


@pytest.mark.tensorflow
def test_a_builder_that_cannot_build_stops_at_once(tmp_path, blobs):
    with pytest.raises(BuildError, match=r"ValueError: no such layer") as caught:
        tuned(small_task(blobs, hypermodel=broken), tmp_path)
    assert "in broken" in caught.value.user_traceback


@pytest.mark.tensorflow
def test_todays_configuration_is_trial_0_moved_into_the_range(tmp_path, blobs):
    (tmp_path / "config.py").write_text("WIDTH = 90\n")
    notes = Notes()
    result = tuned(small_task(blobs), tmp_path, max_trials=1, config=tmp_path / "config.py", observer=notes)
    assert result.trials[0].values == {"width": 50}
    assert any("Trial 0 uses width = 50: today's 90" in line for line in notes.lines)


@pytest.mark.tensorflow
def test_a_hypermodel_that_tunes_the_batch_size_in_fit_uses_its_budget(tmp_path, blobs):
    import keras_tuner as kt

    class Idiom(kt.HyperModel):
        def build(self, hp):
            return build_fixed()

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32, 64]), **kwargs)

    result = tuned(small_task(blobs, hypermodel=Idiom()), tmp_path, max_trials=3)
    assert [t.state for t in result.trials] == [TrialState.COMPLETE] * 3
    assert sorted(t.values["batch_size"] for t in result.trials) == [16, 32, 64]


@pytest.mark.tensorflow
def test_a_result_is_verified_and_says_first_what_can_be_found(tmp_path, capsys):
    rng = np.random.default_rng(1)
    y = np.tile([0, 1], 150)
    X = rng.normal(size=(300, 4)).astype("float32") + 1.5 * y[:, None].astype("float32")
    data = truetune.Dataset(X, y, groups=np.repeat(np.arange(20), 15))

    def build_at(hp):
        import keras

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
        rate = hp.Choice("learning_rate", [0.0, 0.1])  # today's learns nothing
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    task = truetune.Task("verified", build_at, data, truetune.Objective("val_accuracy", "max"), epochs=3)
    result = tuned(task, tmp_path, finalists=1, fresh_runs=2)
    assert result.best.values == {"learning_rate": 0.1}
    heard = []
    found = result.verify(seeds=6, announce=heard.append)
    assert len(heard) == 1
    assert "this verification can detect a difference of about" in heard[0]
    assert "varies like that between the finalists and today's config" in heard[0]
    assert found.verdict.outcome == "improved"
    assert found.verdict.difference > 0.2
    assert (found.n_earlier_reads, found.is_exploratory) == (0, False)
    assert capsys.readouterr().out == ""
    again = result.verify(seeds=6)
    assert capsys.readouterr().out.startswith("With 6 seeds")
    assert again.verdict == found.verdict
    assert (again.n_earlier_reads, again.is_exploratory) == (1, True)
    assert "exploratory: the test part was opened once before for this study" in str(again)


@pytest.mark.tensorflow
def test_todays_configuration_is_nothing_to_verify(tmp_path, blobs):
    with pytest.raises(InputError, match=r"before and after are equal\. There is nothing to verify"):
        tuned(small_task(blobs), tmp_path, max_trials=1, finalists=0).verify()
