"""Which splits a search draws."""

from __future__ import annotations

from truetune.study.evaluation import Evaluation, fresh_seed, fresh_split_seeds, reshuffled_seeds
from truetune.study.options import SearchOptions
from truetune.training.messages import Request
from truetune.trial import CHOOSING, CONFIRMING, PlannedRun


def test_every_split_that_is_drawn_later_is_known_before():
    options = SearchOptions(max_trials=4, reshuffle=True, fresh_runs=2, seed=5)
    evaluation = Evaluation(reshuffle=True, seed=5)
    drawn = {evaluation.asked(Request(number, 0)).split_seed for number in range(4)}
    for stage in (CHOOSING, CONFIRMING):
        drawn |= {fresh_seed(5, PlannedRun(3, repeat, stage), "split") for repeat in range(2)}
    assert {*fresh_split_seeds(options), *reshuffled_seeds(options)} == drawn
    assert len(drawn) == 8


def test_without_finalists_and_reshuffling_there_is_one_split():
    assert fresh_split_seeds(SearchOptions(finalists=0)) == []
    assert reshuffled_seeds(SearchOptions()) == []


def test_trials_share_seed_and_split_of_a_fresh_run():
    first, second = (PlannedRun(trial, 1, CHOOSING) for trial in (0, 7))
    assert fresh_seed(5, first, "split") == fresh_seed(5, second, "split") != fresh_seed(5, first, "training")
