"""A model that was saved goes on as if it had never been stopped."""

from __future__ import annotations

import numpy as np
import pytest

from truetune.errors import StudyError

pytestmark = pytest.mark.tensorflow


def model(units=3):
    import keras

    made = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=7),
            keras.layers.Dense(1),
        ]
    )
    made.compile(keras.optimizers.Adam(0.01), "mse")
    return made


X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def train(a_model, epochs, initial_epoch=0):
    """In the same order of rows each time, so that only dropout is random."""
    a_model.fit(X, Y, batch_size=8, epochs=epochs, initial_epoch=initial_epoch, shuffle=False, verbose=0)


def values(a_model):
    return [np.asarray(v) for v in [*a_model.variables, *a_model.optimizer.variables]]


def test_two_and_two_epochs_are_four(tmp_path):
    import keras

    from truetune.training.checkpoints.checkpoint import Progress, load_checkpoint, save_checkpoint

    keras.utils.set_random_seed(0)
    whole = model()
    start = whole.get_weights()
    train(whole, 4)

    first = model()
    first.set_weights(start)
    train(first, 2)
    progress = Progress(epoch=2, best_score=0.25, best_epoch=1, wait=1, best_weights=first.get_weights())
    save_checkpoint(tmp_path / "new" / "trial.npz", first, progress)

    second = model()
    found = load_checkpoint(tmp_path / "new" / "trial.npz", second)
    for ours, theirs in zip(values(second), values(first), strict=True):
        assert (ours == theirs).all()
    assert (found.epoch, found.best_score, found.best_epoch, found.wait) == (2, 0.25, 1, 1)
    for ours, theirs in zip(found.best_weights, progress.best_weights, strict=True):
        assert (ours == theirs).all()

    train(second, 4, initial_epoch=2)
    for ours, theirs in zip(values(second), values(whole), strict=True):
        assert (ours == theirs).all()


def test_a_model_of_another_shape_is_refused(tmp_path):
    from truetune.training.checkpoints.checkpoint import Progress, load_checkpoint, save_checkpoint

    save_checkpoint(tmp_path / "trial.npz", model(units=3), Progress())
    with pytest.raises(StudyError, match=r"trial.npz cannot be loaded"):
        load_checkpoint(tmp_path / "trial.npz", model(units=4))


def test_a_checkpoint_of_a_larger_model_is_refused(tmp_path):
    import keras

    from truetune.training.checkpoints.checkpoint import Progress, load_checkpoint, save_checkpoint

    save_checkpoint(tmp_path / "trial.npz", model(), Progress())
    smaller = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
    smaller.compile(keras.optimizers.Adam(0.01), "mse")
    with pytest.raises(StudyError, match=r"cannot be loaded"):
        load_checkpoint(tmp_path / "trial.npz", smaller)


def test_a_refused_checkpoint_leaves_the_model_as_it_was(tmp_path):
    from truetune.training.checkpoints.checkpoint import Progress, load_checkpoint, save_checkpoint

    save_checkpoint(tmp_path / "trial.npz", model(units=4), Progress())
    fresh = model(units=3)
    before = fresh.get_weights()
    with pytest.raises(StudyError, match=r"a variable of shape"):
        load_checkpoint(tmp_path / "trial.npz", fresh)
    for ours, theirs in zip(fresh.get_weights(), before, strict=True):
        assert (ours == theirs).all()


def test_another_trials_checkpoint_is_refused(tmp_path):
    from truetune.training.checkpoints.checkpoint import Progress, load_checkpoint, save_checkpoint

    owner = {"seed": 3, "values": {"units": 3, "rate": 0.1, "deep": False, "act": "relu"}}
    save_checkpoint(tmp_path / "trial.npz", model(), Progress(owner=owner))
    assert load_checkpoint(tmp_path / "trial.npz", model(), owner).owner == owner
    with pytest.raises(StudyError, match=r"belongs to a trial with \{'seed': 3.*not \{'seed': 4"):
        load_checkpoint(tmp_path / "trial.npz", model(), {**owner, "seed": 4})


def test_history_and_reports_come_back_to_the_last_bit(tmp_path):
    from truetune.training.checkpoints.checkpoint import Progress, load_checkpoint, save_checkpoint

    progress = Progress(
        epoch=2,
        best_score=0.1 + 0.2,
        reports={1: 1 / 3, 2: 0.1 + 0.2},
        history={"loss": [1e-300, float(np.float32(0.1))], "val_loss": [1 / 3, 0.1 + 0.2]},
        seconds=12.345678901234567,
        pruned=True,
    )
    save_checkpoint(tmp_path / "trial.npz", model(), progress)
    assert load_checkpoint(tmp_path / "trial.npz", model()) == progress


# Damage


@pytest.fixture
def written(tmp_path):
    from truetune.training.checkpoints.checkpoint import Progress, save_checkpoint

    path = tmp_path / "trial.npz"
    save_checkpoint(path, model(), Progress(epoch=3, best_weights=model().get_weights()))
    return path


def refuses(path, a_model):
    from truetune.training.checkpoints.checkpoint import load_checkpoint

    with pytest.raises(StudyError, match=r"Remove it; the trial is then trained from its start"):
        load_checkpoint(path, a_model)


def test_a_checkpoint_that_is_gone_is_refused_with_the_way_out(tmp_path):
    refuses(tmp_path / "trial.npz", model())


def test_a_checkpoint_cut_short_anywhere_is_refused(written):
    whole, fresh = written.read_bytes(), model()
    lengths = [*range(0, len(whole), 512), 1, 21, 22, 87, len(whole) - 1]
    for length in lengths:
        written.write_bytes(whole[:length])
        refuses(written, fresh)
    written.write_bytes(whole + b"\0")
    refuses(written, fresh)


def test_a_checkpoint_with_one_wrong_bit_is_refused(written):
    whole, fresh = written.read_bytes(), model()
    rng = np.random.default_rng(0)
    places = [*range(100), *rng.integers(0, len(whole), 200)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        written.write_bytes(damaged)
        refuses(written, fresh)


def test_a_plain_npz_is_refused(written):
    written.write_bytes(written.read_bytes()[87:])
    refuses(written, model())
