"""A training in stages: each goes on from the best of the one before, and a killed one ends as the undisturbed one."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from support.recipe_lab import (
    Supervisor,
    build,
    folds_of,
    images,
    kept,
    staged,
    train,
    variables,
)
from truetune.errors import InputError, SpaceError
from truetune.recipe import FitRecipe, Stage, freeze, inner_layers, unfreeze
from truetune.training.measured import FrozenWeightsMoved
from truetune.training.stages import compile_arguments
from truetune.trial import TrialState

pytestmark = pytest.mark.tensorflow


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch):
    monkeypatch.setattr("truetune.training.checkpoints.times.SECONDS_BETWEEN", 0)


@pytest.fixture(scope="module")
def folds():
    return folds_of(images())


@pytest.fixture(scope="module")
def undisturbed(folds):
    host = Supervisor()
    outcome = train(staged(), folds, host=host)
    return without_seconds(outcome), host, variables()


def without_seconds(outcome):
    return replace(outcome, seconds=0.0)


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_stages_are_trained_one_after_the_other(undisturbed):
    outcome, host, _ = undisturbed
    assert outcome.state is TrialState.COMPLETE
    assert [(begun.stage, begun.name, begun.epochs) for begun in host.stages] == [
        (0, "head", 3),
        (1, "last block", 3),
        (2, "all", 3),
    ]
    assert [stage.name for stage in outcome.stages] == ["head", "last block", "all"]
    assert sum(stage.epochs for stage in outcome.stages) == outcome.epochs == len(outcome.history["loss"])
    assert list(host.reports) == list(range(1, outcome.epochs + 1))
    assert outcome.score == min(host.reports.values()) == host.reports[outcome.best_epoch]


def test_killed_in_every_epoch_of_every_stage_it_ends_as_the_undisturbed_one(folds, undisturbed, tmp_path):
    outcome, whole, end = undisturbed
    assert outcome.epochs >= 7
    for epoch in range(1, outcome.epochs + 1):
        path = tmp_path / f"{epoch}.npz"
        with pytest.raises(KeyboardInterrupt):
            train(staged(), folds, path, Supervisor(kill_at=epoch))
        assert path.exists() == (epoch > 1)
        host = Supervisor()
        again = train(staged(), folds, path, host)
        assert host.known == ({e: whole.reports[e] for e in range(1, epoch)} if epoch > 1 else None)
        assert host.reports == whole.reports
        assert without_seconds(again) == outcome
        assert_same(variables(), end)
        assert host.notes == []


# Names, what is trainable, and the optimizer


class Defaults:
    """Answers with the defaults."""

    def Float(self, *args, default, **kwargs):
        return default

    Int = Float


@pytest.mark.parametrize("nested", [True, False])
def test_names_are_found_inside_nested_models_and_the_rest_stays_frozen(nested):
    model = build(Defaults(), nested=nested)
    freeze("backbone" if nested else "block")(model, Defaults())
    assert {w.path.split("/")[-2] for w in model.trainable_weights} == {"head"}
    unfreeze("block3")(model, Defaults())
    assert {w.path.split("/")[-2] for w in model.trainable_weights} == {"head", "block3_conv", "block3_bn"}
    assert not any(
        layer.trainable
        for layer, _ in inner_layers(model)
        if layer.name in ("block1_conv", "block1_bn", "block2_conv", "block2_bn")
    )
    unfreeze()(model, Defaults())
    assert len(model.trainable_weights) == 11


def test_a_name_that_no_layer_has_is_refused_while_the_space_is_traced():
    from truetune.training.trace import trace_space

    recipe = FitRecipe(stages=[Stage("head", 2, freeze("backbone")), Stage("last", 2, unfreeze("blok3"))])
    with pytest.raises(InputError, match=r"No layer's name begins with 'blok3'.*backbone, .*block1_conv"):
        trace_space(build, recipe)


def test_a_stage_that_freezes_everything_is_refused_while_the_space_is_traced():
    from truetune.training.trace import trace_space

    with pytest.raises(InputError, match="Stage 'none' has nothing to train"):
        trace_space(build, FitRecipe(stages=[Stage("all", 2), Stage("none", 2, freeze("backbone", "head"))]))


def test_an_error_of_a_prepare_names_its_stage():
    from truetune.errors import BuildError
    from truetune.training.trace import trace_space

    recipe = FitRecipe(stages=[Stage("all", 2), Stage("last", 2, lambda model, hp: model.get_layer("blok3"))])
    with pytest.raises(BuildError, match=r"No such layer: blok3.*\(in prepare of stage 'last'\)"):
        trace_space(build, recipe)


def test_an_error_in_the_middle_of_a_training_names_the_stage_too(folds):
    calls = []

    def prepare(model, hp):
        calls.append(model)
        if len(calls) > 1:  # after the rehearsal
            raise OSError("weights.h5 is gone")

    outcome = train(FitRecipe(stages=[Stage("all", 2), Stage("last", 2, prepare)]), folds)
    assert outcome.state is TrialState.FAILED
    assert outcome.reason == "OSError: weights.h5 is gone (in prepare of stage 'last')"


def test_a_prepare_may_take_the_model_alone(folds):
    seen = []
    train(FitRecipe(stages=[Stage("all", 2, seen.append)]), folds)
    assert seen == [kept[0]] * 2  # in the rehearsal, and for the training


def test_every_stage_has_a_fresh_optimizer_set_as_the_builders_was(folds):
    seen = []

    def look(model, hp):
        seen.append((model.optimizer, float(model.optimizer.learning_rate), int(model.optimizer.iterations)))

    def lower(hp):
        return [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)]

    stages = [Stage("one", 2, look), Stage("two", 2, look)]
    outcome = train(FitRecipe(callbacks=lower, stages=stages), folds)
    rates = [stage.learning_rates for stage in outcome.stages]
    np.testing.assert_allclose(rates, [[0.015, 0.0075]] * 2, rtol=1e-5)  # each stage begins at the builder's 0.03
    assert [rate for _, rate, _ in seen] == pytest.approx([0.03] * len(seen))
    assert {steps for *_, steps in seen} == {0}
    assert len({id(optimizer) for optimizer, *_ in seen}) == len(seen)


def test_a_prepare_that_compiles_itself_decides(folds):
    def with_sgd(model, hp):
        model.get_layer("backbone").trainable = False
        model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])

    outcome = train(FitRecipe(stages=[Stage("one", 2, with_sgd)]), folds)
    assert isinstance(kept[0].optimizer, keras.optimizers.SGD)
    assert outcome.stages[0].learning_rates == (0.5, 0.5)


def test_a_schedule_of_the_users_own_as_learning_rate_begins_anew_with_each_stage(folds, tmp_path):
    class Falling(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.05 / (1.0 + keras.ops.cast(step, "float32"))

    def with_schedule(hp):
        return build(hp, optimizer=keras.optimizers.Adam(Falling()))

    recipe = FitRecipe(stages=[Stage("head", 2, freeze("backbone")), Stage("all", 2, unfreeze())])
    whole = train(recipe, folds, hypermodel=with_schedule)
    assert [stage.learning_rates[0] for stage in whole.stages] == [pytest.approx(0.05)] * 2
    end = variables()
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folds, tmp_path / "t.npz", Supervisor(kill_at=4), hypermodel=with_schedule)
    assert without_seconds(train(recipe, folds, tmp_path / "t.npz", hypermodel=with_schedule)) == without_seconds(whole)
    assert_same(variables(), end)


def test_a_loss_scaling_optimizer_is_made_anew_too(folds, tmp_path):
    def scaled(hp):
        return build(hp, optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.03)))

    recipe = FitRecipe(stages=[Stage("head", 2, freeze("backbone")), Stage("all", 2, unfreeze())])
    whole = train(recipe, folds, hypermodel=scaled)
    assert whole.state is TrialState.COMPLETE, whole
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folds, tmp_path / "t.npz", Supervisor(kill_at=3), hypermodel=scaled)
    assert without_seconds(train(recipe, folds, tmp_path / "t.npz", hypermodel=scaled)) == without_seconds(whole)


def test_keras_keeps_what_a_model_was_compiled_with_where_it_is_looked_for():
    """Private API, on which stages rest."""
    model = build(Defaults())
    arguments = compile_arguments(model)
    assert arguments["optimizer"] is model.optimizer
    assert arguments["loss"] == "sparse_categorical_crossentropy"
    assert arguments["metrics"] == ["accuracy"]
    model.compile(**arguments)
    assert compile_arguments(model) == arguments


# How stages follow on each other


def falling(hp):
    """Learns with the first rate and gets worse with the second."""
    return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.03 if epoch < 2 else 3.0)]


@pytest.mark.parametrize("start_from", ["best", "last"])
def test_a_stage_begins_with_the_best_weights_of_the_one_before_or_with_its_last(folds, start_from):
    begun, weights = [], {}

    class Looking(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            begun.append(self.model.get_weights())

        def on_epoch_end(self, epoch, logs=None):
            weights[len(begun)] = self.model.get_weights()

        def get_state(self):
            return None

        def set_state(self, state):
            pass

    stages = [Stage("one", 4, callbacks=falling), Stage("two", 1, start_from=start_from)]
    outcome = train(FitRecipe(callbacks=lambda hp: [Looking()], stages=stages), folds)
    values = outcome.history["val_loss"][:4]
    chosen = int(np.argmin(values)) + 1 if start_from == "best" else 4
    assert np.argmin(values) != 3, "the last epoch is to be worse"
    assert_same(begun[4], weights[chosen])


def test_the_patience_of_a_stage_ends_it_and_the_next_one_begins(folds):
    stages = [Stage("one", 9, callbacks=falling, patience=1), Stage("two", 2), Stage("three", 9, callbacks=falling)]
    outcome = train(FitRecipe(stages=stages), folds, patience=2)
    assert outcome.stages[0].epochs < 9
    assert outcome.stages[1].epochs == 2
    assert outcome.stages[2].epochs < 9
    assert outcome.state is TrialState.COMPLETE


def test_what_led_to_the_kept_weights_is_recorded(folds):
    stages = [Stage("one", 4, callbacks=falling), Stage("two", 2, unfreeze(learning_rate=0.01)), Stage("three", 1)]
    outcome = train(FitRecipe(stages=stages), folds)
    best_of_one = int(np.argmin(outcome.history["val_loss"][:4])) + 1
    one, two, three = outcome.stages
    assert one.kept == best_of_one
    if outcome.best_epoch > 4:
        assert one.kept + two.kept + three.kept == best_of_one + outcome.best_epoch - 4
    assert [len(stage.learning_rates) for stage in outcome.stages] == [4, 2, 1]


def test_stages_of_no_epochs_are_left_out(folds):
    host = Supervisor({"head_epochs": 0})
    outcome = train(staged(), folds, host=host)
    assert [begun.name for begun in host.stages] == ["last block", "all"]
    assert outcome.stages[0].epochs == 0


def test_a_training_of_no_epochs_at_all_is_refused(folds):
    with pytest.raises(SpaceError, match="All stages together train 0 epochs"):
        train(FitRecipe(stages=[Stage("a", "head_epochs")]), folds, host=Supervisor({"head_epochs": 0}))


def test_callbacks_of_a_stage_count_from_its_beginning(folds):
    seen = []
    stages = [
        Stage("one", 2),
        Stage(
            "two",
            2,
            callbacks=lambda hp: [
                keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
            ],
        ),
    ]
    train(FitRecipe(stages=stages), folds)
    assert seen == [0, 1]


# The two checks


def test_frozen_weights_that_moved_are_an_error_that_names_the_layers(folds):
    class Assigning(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel = self.model.get_layer("backbone").get_layer("block1_conv").kernel
            kernel.assign(kernel * 0.9)

    recipe = FitRecipe(callbacks=lambda hp: [Assigning()], stages=[Stage("head", 1, freeze("backbone"))])
    with pytest.raises(FrozenWeightsMoved, match=r"Stage 'head' moved weights of layers that were frozen: block1_conv"):
        train(recipe, folds)


def test_weights_that_were_to_move_and_did_not_fail_the_trial_and_name_the_layers(folds):
    def disconnected(hp):
        model = build(hp)
        model.unused = keras.layers.Dense(2, name="unused")
        model.unused.build((None, 3))
        return model

    outcome = train(FitRecipe(stages=[Stage("all", 1)]), folds, hypermodel=disconnected)
    assert outcome.state is TrialState.FAILED
    assert "Stage 'all' was to train unused, whose weights have not moved at all" in outcome.reason


def test_a_learning_rate_of_zero_is_found_out(folds):
    stages = [Stage("still", 1, unfreeze(learning_rate=0.0))]
    assert "have not moved at all" in train(FitRecipe(stages=stages), folds).reason


def all_but_normalisation(model, hp):
    base = model.get_layer("backbone")
    for layer in base.layers:
        layer.trainable = isinstance(layer, keras.layers.BatchNormalization)


def only_outside(model, hp):
    """Keras trains nothing inside a frozen model, but runs a layer in it that says it is trainable."""
    base = model.get_layer("backbone")
    base.trainable = False
    base.get_layer("block2_bn").trainable = True


@pytest.mark.parametrize(
    ("prepare", "names"), [(all_but_normalisation, "block1_bn, block2_bn, block3_bn"), (only_outside, "block2_bn")]
)
def test_normalisation_in_training_mode_inside_a_frozen_part_is_noted(folds, prepare, names):
    host = Supervisor()
    outcome = train(FitRecipe(stages=[Stage("head", 1, prepare)]), folds, host=host)
    assert outcome.state is TrialState.COMPLETE
    assert [line for line in host.notes if f"'head', {names} ran in training mode inside a frozen part" in line]


def test_frozen_normalisation_keeps_its_statistics_and_is_not_noted(folds, undisturbed):
    assert undisturbed[1].notes == []
    train(FitRecipe(stages=[Stage("head", 2, freeze("backbone"))]), folds)
    layer = kept[0].get_layer("backbone").get_layer("block1_bn")
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(2))
