"""Retraining and verification train as the recipe says, with the epochs that the search found."""

from __future__ import annotations

import math
from dataclasses import replace

import keras
import numpy as np
import pytest

from support.recipe_lab import LOSS, backbone, build, images, kept, plateau_callbacks, staged
from truetune.errors import DataError, InputError, TruetuneError
from truetune.recipe import FitRecipe, Stage, freeze, unfreeze
from truetune.seeds import derive_seed
from truetune.task import Task
from truetune.training.rows import epoch_order
from truetune.trial import TrainedStage, TrainingCourse, Trial, TrialState
from truetune.verification.retrain import train_final
from truetune.verification.verification import Candidate

pytestmark = pytest.mark.tensorflow

VALUES = {"learning_rate": 0.03, "batch_size": 16, "head_epochs": 2}
DATA = images(36)


def task(recipe, hypermodel=build):
    return Task("staged", hypermodel, DATA, LOSS, epochs=4, fit=recipe)


def retrained(recipe, course=None, values=VALUES, hypermodel=build, epochs=4):
    found = train_final(task(recipe, hypermodel), DATA, values, course.total if course else epochs, 5, course)
    return found, [np.asarray(v) for v in [*found.model.variables, *found.model.optimizer.variables]]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def fit_by_hand(model, epochs, start):
    """One epoch at a time, in the order of rows that belongs to the seed."""
    for epoch in range(start, start + epochs):
        rows = epoch_order(5, epoch, len(DATA))
        model.fit(DATA.X[rows], DATA.y[rows], batch_size=16, shuffle=False, verbose=0)


class Given:
    def Float(self, name, *args, **kwargs):
        return VALUES[name]

    Int = Float


def test_stages_are_trained_as_a_person_would_with_keras():
    recipe = FitRecipe(
        stages=[
            Stage("head", "head_epochs", freeze("backbone")),
            Stage("fine", 2, unfreeze("block3", learning_rate=0.01)),
        ]
    )
    found, ours = retrained(recipe)
    keras.utils.set_random_seed(5)
    model = build(Given())
    base = model.get_layer("backbone")
    base.trainable = False
    keras.utils.set_random_seed(derive_seed(5, "stage", "head"))
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit_by_hand(model, 2, start=0)
    base.trainable = True
    for layer in base.layers:
        layer.trainable = layer.name.startswith("block3")
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit_by_hand(model, 2, start=2)
    assert_same(ours, [*model.variables, *model.optimizer.variables])
    assert found.epochs == len(found.history["loss"]) == 4
    assert found.notes == ()


def test_the_course_of_the_search_decides_how_long_each_stage_is_trained():
    begun = []

    def noting(model, hp):
        begun.append(len(model.trainable_weights))

    recipe = FitRecipe(stages=[Stage("head", 3, noting), Stage("all", 3), Stage("never", 3, noting)])
    found, _ = retrained(recipe, TrainingCourse((2, 1)))
    assert len(found.history["loss"]) == found.epochs == 3
    assert len(begun) == 3  # two of the rehearsal, and of the stage that led to the weights


def test_what_watches_validation_rows_gets_the_epochs_and_rates_of_the_search():
    rates = ((0.03, 0.015), (0.01, 0.005))
    found, _ = retrained(
        FitRecipe(plateau_callbacks, stages=[Stage("a", 2), Stage("b", 2)]), TrainingCourse((2, 2), rates)
    )
    assert float(found.model.optimizer.learning_rate) == pytest.approx(0.005)
    assert list(found.notes) == [
        "ReduceLROnPlateau(val_loss) is replaced by the learning rates that the search used.",
        "EarlyStopping is replaced by the number of epochs that the search found.",
    ]


def test_without_a_search_no_rate_is_lowered_and_that_is_noted():
    found, _ = retrained(FitRecipe(plateau_callbacks))
    assert float(found.model.optimizer.learning_rate) == pytest.approx(0.03)
    assert found.notes[0] == "ReduceLROnPlateau is left out: there are no validation rows to measure val_loss on."


def test_a_scheduler_is_called_in_every_epoch_of_all_stages():
    epochs = []

    def callbacks(hp):
        return [keras.callbacks.LearningRateScheduler(lambda epoch, rate: epochs.append(epoch) or rate * 0.5)]

    found, _ = retrained(FitRecipe(callbacks, stages=[Stage("a", 2), Stage("b", 2)]))
    assert epochs == [0, 1, 2, 3]
    assert float(found.model.optimizer.learning_rate) == pytest.approx(0.03 / 4)


@pytest.mark.parametrize("weights", ["balanced", {0: 3.0}])
def test_class_weights_count_in_retraining_as_in_a_search(weights):
    rows = np.r_[0:20, 24:27]
    few = DATA.take(rows)
    found = train_final(task(FitRecipe(class_weight=weights)), few, VALUES, 1, 5)
    plain = train_final(task(FitRecipe()), few, VALUES, 1, 5)
    by_class = np.bincount(few.y)
    of_rows = (len(few) / (3 * by_class))[few.y] if weights == "balanced" else np.where(few.y == 0, 3.0, 1.0)
    given = train_final(task(FitRecipe()), replace(few, sample_weight=of_rows), VALUES, 1, 5)
    assert found.history["loss"] == given.history["loss"] != plain.history["loss"]


def test_killed_in_any_epoch_of_any_stage_it_ends_like_the_undisturbed_one(tmp_path):
    killed_at = [None]

    class Killing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == killed_at[0]:
                raise KeyboardInterrupt

    def callbacks(hp):
        return [*plateau_callbacks(hp), keras.callbacks.CSVLogger(tmp_path / "log.csv"), Killing()]

    recipe, course = staged(callbacks), TrainingCourse((2, 2, 1), ((0.03, 0.03), (0.01, 0.005), (0.003,)))
    _, end = retrained(recipe, course)
    log = (tmp_path / "log.csv").read_text()
    for killed_at[0] in range(course.total):
        with pytest.raises(KeyboardInterrupt):
            retrained(recipe, course)
    killed_at[0] = None
    assert_same(retrained(recipe, course)[1], end)
    assert (tmp_path / "log.csv").read_text() == log


def test_a_callback_that_ends_a_stage_before_its_epochs_is_refused():
    class Ending(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    with pytest.raises(TruetuneError, match=r"A callback ended the training after 1 of 2 epochs"):
        retrained(FitRecipe(lambda hp: [Ending()], stages=[Stage("a", 2)]))


def test_class_weights_for_a_fit_that_takes_none_are_refused():
    class Own(keras.Model):
        def fit(self, x, y, **kwargs):
            return super().fit(x, y, **kwargs)

    class Closed(Own):
        def fit(self, x, y, epochs=1, initial_epoch=0, verbose=0, callbacks=(), batch_size=16):
            return super().fit(x, y, epochs=epochs, verbose=0)

    def closed(hp):
        base = backbone()
        model = Closed(base.input, keras.layers.Dense(3, "softmax")(base.output))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(DataError, match=r"class_weight of the recipe\), and Closed\.fit takes no sample_weight"):
        retrained(FitRecipe(class_weight="balanced"), values={}, hypermodel=closed)


def test_stages_of_a_model_that_fits_itself_are_refused():
    class Own(keras.Model):
        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    def own(hp):
        base = backbone()
        model = Own(base.input, keras.layers.Dense(3, "softmax")(base.output))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(InputError, match="Own has a `fit` of its own, and the recipe has stages"):
        retrained(FitRecipe(stages=[Stage("a", 1)]), values={}, hypermodel=own)


# What a trial says of its training


def stages_of(*rows):
    return tuple(TrainedStage(name, epochs, used, tuple(0.1 for _ in range(epochs))) for name, epochs, used in rows)


def test_the_course_of_a_trial_ends_where_its_weights_are_from():
    trial = Trial(0, TrialState.COMPLETE, {}, best_epoch=5)
    assert trial.course == TrainingCourse((5,))
    staged_trial = replace(trial, stages=stages_of(("head", 3, 2), ("fine", 4, 3), ("all", 2, 0)))
    assert staged_trial.course == TrainingCourse((2, 3), ((0.1, 0.1), (0.1, 0.1, 0.1)))
    watched = replace(trial, stages=stages_of(("", 7, 5)))
    assert watched.course == TrainingCourse((5,), ((0.1,) * 5,))


def test_a_candidate_is_told_from_others_by_its_course():
    recipe = staged()
    one, other = (Candidate.of(task(recipe), VALUES, TrainingCourse((2, n))) for n in (1, 2))
    assert (one.epochs, other.epochs) == (3, 4)
    assert one.digest != other.digest
    assert Candidate.of(task(FitRecipe()), VALUES, TrainingCourse((4,))) == Candidate(VALUES, 4)
    assert Candidate.of(task(recipe), VALUES, None).epochs == 2 + 3 + 3
    assert not math.isnan(one.epochs)
    kept.clear()
