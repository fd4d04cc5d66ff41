"""Verification trains pairs on the same seeds, scores the test part, and looks at it once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from truetune.data.dataset import Dataset
from truetune.data.sealing.ledger import reads_of
from truetune.errors import ConfigError, InputError, ObjectiveError, SpaceError
from truetune.objective import Objective
from truetune.task import Task
from truetune.verification.verification import Candidate
from truetune.verification.verify import VerifyOptions, verify, verify_from_config, verify_result

pytestmark = pytest.mark.tensorflow

POOR, GOOD = Candidate({"learning_rate": 1e-5}, 1), Candidate({"learning_rate": 1.0}, 3)
FIVE = VerifyOptions(seeds=5)


@dataclass(frozen=True)
class Softmax:
    """Logistic regression: the cheapest model that learns."""

    def __call__(self, hp):
        import keras

        from truetune.training.metrics import UnweightedAverageRecall

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
        model.compile(
            keras.optimizers.SGD(hp.Float("learning_rate", 1e-6, 10.0, sampling="log", default=0.1)),
            "sparse_categorical_crossentropy",
            metrics=["accuracy", UnweightedAverageRecall(2), *self.more()],
            run_eagerly=True,
        )
        return model

    def more(self):
        return []


class Killed(BaseException):
    """As Ctrl-C, or worse."""


class WithLargest(Softmax):
    """A metric that cannot be added up."""

    def more(self):
        import keras

        @keras.saving.register_keras_serializable(package="tests")
        class Largest(keras.metrics.Metric):
            def __init__(self):
                super().__init__(name="largest")
                self.largest = self.add_variable(shape=(), initializer="zeros", name="largest")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(y_pred)))

            def result(self):
                return self.largest + 0.0

        return [Largest()]


def part(seed, n_rows=48, subjects=None):
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 2
    X = rng.normal(size=(n_rows, 4)).astype("float32")
    X[:, 0] += 3 * y
    return Dataset(X, y, groups=None if subjects is None else np.arange(n_rows) * subjects // n_rows)


TASK = Task("softmax", Softmax(), part(0), Objective("val_accuracy", "max"))
BY_SUBJECT = replace(TASK, data=part(0, n_rows=120, subjects=20))


def test_a_better_learning_rate_is_an_improvement():
    heard = []
    found = verify(TASK, part(0), part(1, subjects=8), POOR, GOOD, VerifyOptions(progress=heard.append))
    assert found.verdict.outcome == "improved"
    assert (found.verdict.n, found.verdict.n_clusters, found.verdict.by) == (7, 8, "subjects")
    assert found.verdict.p_value == 2 / 2**7
    assert found.metric == "accuracy"
    assert min(found.after) > 0.8
    assert len(set(found.seeds)) == 7
    assert (found.n_development, found.n_test) == (48, 48)
    assert [(t.done, t.total, t.side) for t in heard[:3]] == [(1, 14, "before"), (2, 14, "after"), (3, 14, "before")]
    assert [t.seed for t in heard[::2]] == [t.seed for t in heard[1::2]] == list(found.seeds)
    assert [t.score for t in heard[1::2]] == list(found.after)


def test_every_metric_is_shown_and_the_objectives_first():
    found = verify(TASK, part(0), part(1, n_rows=20), POOR, GOOD, FIVE)
    shown = str(found).splitlines()
    assert shown[0] == "accuracy on 20 sealed test rows"
    assert shown[1].startswith("Before optimization: ")
    assert "5 paired seeds, 20 blocks of rows" in shown[3]
    assert "drawn in 20 random blocks" in str(found)
    assert [line.split()[0] for line in shown[-4:]] == ["before", "accuracy", "loss", "uar"]
    assert set(found.metrics_before[0]) == {"accuracy", "loss", "uar"}


def test_the_same_values_are_no_improvement():
    same = Candidate({"learning_rate": 0.01}, 1)
    found = verify(TASK, part(0), part(1, subjects=8), same, same)
    assert found.before == found.after
    assert len(set(found.before)) > 1  # the seeds make a difference, and both sides share it
    assert found.verdict.outcome == "no evidence of improvement"
    assert (found.verdict.difference, found.verdict.p_value) == (0.0, 1.0)


def test_five_seeds_say_beforehand_that_they_cannot_decide(seal_path):
    foreseen = []
    found = verify_result(BY_SUBJECT, POOR, GOOD, seal_path, replace(FIVE, announce=foreseen.append))
    assert len(foreseen) == 1
    assert "Use at least 6 seeds" in foreseen[0]
    assert found.verdict.low > 0
    assert found.verdict.outcome == "no evidence of improvement"


def test_a_metric_that_cannot_be_added_up_is_judged_by_the_seeds_alone():
    task = replace(TASK, hypermodel=WithLargest(), objective=Objective("val_largest", "max"))
    found = verify(task, part(0), part(1, subjects=4), POOR, GOOD)
    assert found.verdict.n_clusters is None
    assert "the chance in training alone" in str(found)
    assert "(95 % interval, 7 paired seeds)" in str(found)


def test_bad_input():
    with pytest.raises(InputError, match="at least 5"):
        verify(TASK, part(0), part(1), GOOD, GOOD, VerifyOptions(seeds=4))
    with pytest.raises(SpaceError, match="learning_rate"):
        verify(TASK, part(0), part(1), Candidate({}, 1), GOOD)
    with pytest.raises(ObjectiveError, match="'f1'"):
        verify(replace(TASK, objective=Objective("val_f1", "max")), part(0), part(1), GOOD, GOOD)


@pytest.fixture
def seal_path(tmp_path):
    return tmp_path / "tuning" / "study" / "seal.json"


def test_the_first_look_is_a_verdict_and_the_second_is_exploratory(seal_path):
    first = verify_result(BY_SUBJECT, POOR, GOOD, seal_path, FIVE)
    assert (first.n_earlier_reads, first.is_exploratory) == (0, False)
    assert "exploratory" not in str(first)
    (read,) = reads_of(seal_path)
    assert (read.purpose, read.seeds, read.outcome) == ("verify", first.seeds, first.verdict.outcome)
    second = verify_result(BY_SUBJECT, POOR, GOOD, seal_path, VerifyOptions(seeds=6))
    assert (second.n_earlier_reads, second.is_exploratory) == (1, True)
    assert "exploratory: the test part was opened once before for this study" in str(second)
    assert second.before[:5] == first.before
    assert len(reads_of(seal_path)) == 2


def test_whoever_stops_at_what_is_foreseen_has_not_looked(seal_path):
    def stops(line):
        assert "this verification can detect a difference of about" in line or "p cannot fall below" in line
        raise Killed

    with pytest.raises(Killed):
        verify_result(BY_SUBJECT, POOR, GOOD, seal_path, replace(FIVE, announce=stops))
    assert reads_of(seal_path) == ()
    heard = []
    found = verify_result(BY_SUBJECT, POOR, GOOD, seal_path, VerifyOptions(seeds=6, announce=heard.append))
    assert not found.is_exploratory
    assert len(heard) == 1
    assert "6 seeds and 4 test subjects" in heard[0]


def test_an_interrupted_verification_goes_on_and_is_one_look(seal_path):
    heard = []

    def dies_after_three(training):
        heard.append(training)
        if training.done == 3:
            raise Killed

    with pytest.raises(Killed):
        verify_result(BY_SUBJECT, POOR, GOOD, seal_path, replace(FIVE, progress=dies_after_three))
    found = verify_result(BY_SUBJECT, POOR, GOOD, seal_path, replace(FIVE, progress=heard.append))
    assert [t.was_kept for t in heard[3:]] == [True] * 3 + [False] * 7
    assert not found.is_exploratory
    assert len(reads_of(seal_path)) == 1
    undisturbed = verify_result(BY_SUBJECT, POOR, GOOD, seal_path.parents[2] / "other" / "seal.json", FIVE)
    assert undisturbed.before == found.before
    assert undisturbed.verdict == found.verdict


def test_a_damaged_kept_training_is_trained_again(seal_path):
    first = verify_result(BY_SUBJECT, POOR, GOOD, seal_path, FIVE)
    files = sorted((seal_path.parent / "verify").iterdir())
    whole = files[4].read_bytes()
    for file, damage in zip(files, (b"", b"{}", b"[]", b"\xff", whole[:-9], whole.replace(b"1", b"2")), strict=False):
        file.write_bytes(damage)
    heard = []
    again = verify_result(BY_SUBJECT, POOR, GOOD, seal_path, replace(FIVE, progress=heard.append))
    assert sum(training.was_kept for training in heard) == 10 - 6
    assert again.verdict == first.verdict


def test_a_kept_training_of_other_values_or_data_is_not_taken(seal_path):
    verify_result(BY_SUBJECT, POOR, GOOD, seal_path, FIVE)
    heard = []
    other = Candidate(GOOD.values, 2)
    verify_result(BY_SUBJECT, POOR, other, seal_path, replace(FIVE, progress=heard.append))
    assert [t.was_kept for t in heard] == [True, False] * 5
    heard.clear()

    def stops(training):
        heard.append(training)
        raise Killed

    doubled = replace(BY_SUBJECT, preprocessing=Doubled)
    with pytest.raises(Killed):
        verify_result(doubled, POOR, GOOD, seal_path, replace(FIVE, progress=stops))
    assert [training.was_kept for training in heard] == [False]


class Doubled:
    """A preprocessing that learns nothing."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return 2 * X


def exported(directory, data):
    from truetune.results.export import BestHyperparameters

    metadata = {
        "best_score": 0.9,
        "objective": {"name": "val_accuracy", "direction": "max"},
        "method": "optuna",
        "algorithm": "tpe",
        "study_name": "softmax_optuna",
        "trial": 3,
        "n_trials": {"complete": 4},
        "data": {"fingerprint": data.fingerprint(), "kind": "arrays"},
        "seed": 0,
        "versions": {},
        "epochs": 3,
    }
    best = BestHyperparameters.model_validate({"hyperparameters": {"learning_rate": 1.0}, "metadata": metadata})
    return best.write(directory / "best_hyperparameters.json")


def test_the_config_before_and_after_an_apply_by_a_loss(tmp_path):
    from truetune.config.apply import apply

    task = replace(TASK, data=part(0, n_rows=200), objective=Objective("val_loss", "min"))
    config = tmp_path / "config.py"
    config.write_text("LEARNING_RATE = 0.00001\nEPOCHS = 1\n")
    apply(exported(tmp_path, task.load()), config).write()
    found = verify_from_config(task, config, tmp_path)
    assert (found.n_development, found.n_test) == (160, 40)
    assert found.verdict.outcome == "improved"
    assert found.verdict.after_mean < found.verdict.before_mean
    assert len(reads_of(tmp_path / "tuning" / "softmax_optuna" / "seal.json")) == 1
    other = tmp_path / "other.py"
    other.write_text(config.read_text())
    with pytest.raises(ConfigError, match="Nothing was applied"):
        verify_from_config(task, other, tmp_path)
    assert len(reads_of(tmp_path / "tuning" / "softmax_optuna" / "seal.json")) == 1


def test_the_exported_score_sharpens_what_is_foreseen(tmp_path):
    from truetune.config.apply import apply

    task = replace(TASK, data=part(0, n_rows=100))
    config = tmp_path / "config.py"
    config.write_text("LEARNING_RATE = 0.00001\nEPOCHS = 1\n")
    apply(exported(tmp_path, task.load()), config).write()
    foreseen = []

    def stops(text):
        foreseen.append(text)
        raise Killed

    with pytest.raises(Killed):
        verify_from_config(task, config, tmp_path, replace(FIVE, announce=stops))
    assert "a score of 0.5" not in foreseen[0]
    assert "vary by 0.02" in foreseen[0]
