"""Which folds helpers train, and who waits for whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truetune.study.folds_ahead import Assignment, next_help
from truetune.training.messages import Request


def training(name="a", n_folds=5):
    made = Assignment(name, Request(0, 0))
    if n_folds:
        made.may_begin(0, n_folds)
    return made


def test_before_its_first_fold_nobody_helps():
    assert next_help([training(n_folds=0)]) is None


def test_helpers_take_the_last_folds_first():
    one = training()
    assert [next_help([one]).fold for _ in range(4)] == [4, 3, 2, 1]
    assert next_help([one]) is None


def test_the_training_with_the_most_to_do_for_each_worker_is_helped_first():
    short, long = training("short", n_folds=3), training("long", n_folds=6)
    helped = [next_help([short, long]).training.running for _ in range(4)]
    assert helped == ["long", "short", "long", "long"]


def test_its_own_worker_waits_for_a_fold_that_a_helper_trains():
    one = training(n_folds=2)
    help_ = next_help([one])
    assert not one.may_begin(1, 2)
    assert one.left(help_.fold)
    assert one.waits_for is None
    assert not one.left(help_.fold)


def test_a_trial_that_goes_on_in_a_later_fold_has_ended_those_before():
    one = training(n_folds=0)
    assert one.may_begin(3, 5)
    assert next_help([one]).fold == 4
    assert next_help([one]) is None


def test_a_fold_that_a_helper_left_is_not_given_to_another():
    one = training(n_folds=2)
    assert not one.left(next_help([one]).fold)
    assert next_help([one]) is None
    assert one.may_begin(1, 2)


@given(
    st.integers(2, 8), st.lists(st.sampled_from(["a helper comes", "a helper ends", "its own goes on"]), max_size=60)
)
def test_every_fold_is_trained_once_whoever_comes_and_ends_when(n_folds, events):
    one = training(n_folds=n_folds)
    fold, trained, helping = 0, [0], []
    for event in [*events, *["its own goes on", "a helper ends"] * n_folds]:
        if event == "a helper comes" and (help_ := next_help([one])) is not None:
            helping.append(help_.fold)
        elif event == "a helper ends" and helping:
            trained.append(helping.pop())
            fold += one.left(trained[-1])
        elif event == "its own goes on" and one.waits_for is None and fold < n_folds - 1:
            fold += one.may_begin(fold + 1, n_folds)
            if one.waits_for is None and fold not in trained:
                trained.append(fold)
    assert (fold, helping) == (n_folds - 1, [])
    assert sorted(trained) == list(range(n_folds))
