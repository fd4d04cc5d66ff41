"""Whose weights stay on disk."""

import pytest

from truetune.objective import Objective
from truetune.study.trials.kept_weights import KeptWeights, weights_path
from truetune.training.messages import Request
from truetune.trial import Trial, TrialState

ACCURACY = Objective("val_accuracy", "max")


def ended(number, score, state=TrialState.COMPLETE):
    return Trial(number, state, {}, score=score, parameters=1)


def write(folder, *numbers):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        weights_path(folder, number).write_bytes(b"weights")


def there(folder):
    return sorted(int(path.name[6:11]) for path in folder.iterdir())


def test_only_the_best_stays(tmp_path):
    weights = KeptWeights(tmp_path, "best", ACCURACY, [])
    for number, score, left in ((0, 0.5, [0]), (1, 0.4, [0]), (2, 0.7, [2]), (3, 0.7, [2])):
        write(tmp_path, number)
        weights.learn(ended(number, score))
        assert there(tmp_path) == left


def test_of_equals_the_earlier_one_stays_whichever_ended_first(tmp_path):
    write(tmp_path, 4, 5)
    weights = KeptWeights(tmp_path, "best", ACCURACY, [ended(5, 0.9)])
    weights.learn(ended(4, 0.9))
    assert there(tmp_path) == [4]


def test_pruned_and_failed_trials_cannot_win(tmp_path):
    write(tmp_path, 0, 1, 2)
    weights = KeptWeights(tmp_path, "best", ACCURACY, [ended(0, 0.5)])
    weights.learn(ended(1, 0.9, TrialState.PRUNED))
    weights.learn(ended(2, None, TrialState.FAILED))
    assert there(tmp_path) == [0]


def test_a_file_of_a_trial_that_has_not_ended_is_left_alone(tmp_path):
    write(tmp_path, 0, 1)
    weights = KeptWeights(tmp_path, "best", ACCURACY, [])
    weights.learn(Trial(1, TrialState.RUNNING, {}, parameters=1))
    weights.learn(ended(0, 0.9))
    assert there(tmp_path) == [0, 1]


@pytest.mark.parametrize("keep", ["all", "none"])
def test_what_was_kept_before_is_not_removed(tmp_path, keep):
    write(tmp_path, 0, 1)
    KeptWeights(tmp_path, keep, ACCURACY, [ended(0, 0.9), ended(1, 0.1)]).learn(ended(1, 0.1))
    assert there(tmp_path) == [0, 1]


def test_what_a_worker_is_told(tmp_path):
    request = Request(7, 1)
    best = KeptWeights(tmp_path, "best", ACCURACY, [ended(0, 0.5)]).asked(request)
    assert (best.weights, best.keeps_all, best.to_beat) == (tmp_path / "trial_00007.weights.h5", False, 0.5)
    assert KeptWeights(tmp_path, "all", ACCURACY, []).asked(request).keeps_all
    assert KeptWeights(tmp_path, "none", ACCURACY, []).asked(request) == request
