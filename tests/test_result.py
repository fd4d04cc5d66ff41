"""What a result says with fresh runs and without."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from truetune.objective import Objective
from truetune.result import NOT_CONFIRMED, Result
from truetune.results.export import load, schema
from truetune.results.finalists import FreshTraining
from truetune.results.ranking import best_configurations, ranked
from truetune.space import Hyperparameter, Space
from truetune.trial import CHOOSING, CONFIRMING, FreshRun, Trial, TrialState

META = {
    "method": "optuna",
    "algorithm": "tpe",
    "data": {"fingerprint": "0123456789abcdef", "kind": "arrays", "is_dummy": False},
    "seed": 0,
}


def trial(number, score, state=TrialState.COMPLETE):
    return Trial(number, state, {"units": 8 + number}, score=score, epochs=4, best_epoch=2, seconds=1.5, parameters=9)


TRIALS = (
    trial(0, 0.5),
    trial(1, 0.9),
    trial(2, 0.8),
    trial(3, 0.7),
    replace(trial(4, None, TrialState.FAILED), reason="loss became nan"),
    trial(5, 0.95, TrialState.PRUNED),
)


def runs(number, scores, stage=CHOOSING):
    return [FreshRun(number, i, stage, score, score + 0.01, 1.0) for i, score in enumerate(scores)]


FRESH = (
    *runs(0, [0.50, 0.52, 0.51]),
    *runs(1, [0.60, 0.61, 0.59]),
    *runs(2, [0.70, 0.71, 0.72]),
    *runs(0, [0.50, 0.51, 0.49], CONFIRMING),
    *runs(2, [0.68, 0.69, 0.70], CONFIRMING),
)


def result(fresh=FRESH, finalists=2, objective="max"):
    space = Space()
    space.add(Hyperparameter("Int", "units", 8, low=8, high=64, step=1))
    return Result(
        "study",
        "sqlite:///x.db",
        Objective("val_accuracy", objective),
        TRIALS,
        space,
        META,
        fresh=tuple(fresh),
        training=FreshTraining(finalists, 3),
    )


def test_the_winner_is_the_choice_of_the_fresh_runs():
    found = result()
    assert (found.best.number, found.search_best.number) == (2, 1)
    assert found.best_score == 0.8
    assert found.best_hyperparameters == {"units": 10}


@pytest.mark.parametrize("found", [result(fresh=()), result(finalists=0), result(fresh=FRESH[:4])])
def test_without_a_choice_the_search_decides(found):
    assert found.best.number == found.search_best.number == 1


def test_the_leaderboard_has_finalists_first_and_both_scores():
    table = result().leaderboard()
    assert list(table.columns) == [
        "number", "state", "search_score", "fresh_score", "low", "high", "seconds", "epochs", "parameters", "reason",
        "units",
    ]  # fmt: skip
    assert table["number"].tolist() == [2, 1, 0, 5, 3, 4]
    assert table["fresh_score"].tolist()[:3] == pytest.approx([0.71, 0.60, 0.51])
    assert table["fresh_score"].isna().tolist() == [False] * 3 + [True] * 3
    assert (table["low"][:3] < table["fresh_score"][:3]).all()
    assert (table["high"][:3] > table["fresh_score"][:3]).all()
    assert table["reason"].tolist() == [""] * 5 + ["loss became nan"]


def test_the_leaderboard_of_what_is_to_minimise_begins_with_the_smallest():
    table = result(fresh=(), objective="min").leaderboard()
    assert table["number"].tolist() == [0, 3, 2, 1, 5, 4]


def test_the_leaderboard_says_why_a_finalist_is_out():
    failed = FreshRun(1, 0, CHOOSING, None, None, reason="out of memory")
    table = result([run for run in FRESH if run.trial != 1] + [failed]).leaderboard()
    assert table["number"].tolist()[:3] == [2, 0, 1]
    assert table["reason"].tolist()[2] == "out of memory"


def test_a_leaderboard_without_trials_is_empty():
    assert replace(result(), trials=(), fresh=()).leaderboard().empty


def test_the_export_holds_both_scores(tmp_path):
    path = result().export(tmp_path / "best.json")
    jsonschema.validate(json.loads(path.read_bytes()), schema())
    metadata = load(path).metadata
    assert (metadata.trial, metadata.best_score) == (2, 0.8)
    finalists = metadata.finalists
    assert finalists.confirmed.mean == pytest.approx(0.69)
    assert finalists.confirmed.low < 0.69 < finalists.confirmed.high
    assert finalists.confirmed.n_runs == finalists.runs == 3
    assert metadata.baseline.confirmed == finalists.today
    assert finalists.today.mean == pytest.approx(0.5)
    assert finalists.gain.mean == pytest.approx(0.19)
    assert (finalists.recommendation, finalists.is_within_noise) == ("apply", False)
    assert finalists.optimism == pytest.approx(0.01)
    assert finalists.spread == pytest.approx(0.01)
    assert [f.trial for f in finalists.finalists] == [2, 1, 0]
    assert np.mean(finalists.finalists[0].scores) == pytest.approx(finalists.finalists[0].mean)
    assert metadata.notes == ()


def test_an_export_without_fresh_runs_says_so(tmp_path):
    metadata = load(result(fresh=()).export(tmp_path / "best.json")).metadata
    assert metadata.finalists is None
    assert metadata.baseline.confirmed is None
    assert metadata.notes == (NOT_CONFIRMED,)


def test_ranks_and_configurations():
    objective = Objective("val_accuracy", "max")
    assert [t.number for t in ranked(TRIALS, objective)] == [1, 2, 3, 0]
    assert [t.number for t in ranked(TRIALS, Objective("val_loss", "min"))] == [0, 3, 2, 1]
    twin = replace(trial(6, 0.85), values=TRIALS[1].values)
    assert [t.number for t in best_configurations([*TRIALS, twin], objective, 3)] == [1, 2, 3]
    assert [t.number for t in ranked([trial(2, 0.5), trial(1, 0.5)], objective)] == [1, 2]


def test_the_export_has_every_metric_of_the_winners_folds(tmp_path):
    metrics, of_folds = {"accuracy": 0.5, "uar": 0.25}, {"accuracy": (0.25, 0.75), "uar": (0.125, 0.5)}
    single = result()
    best = replace(single.best, fold_scores=(0.25, 0.75), metrics=metrics, fold_metrics=of_folds)
    trials = tuple(best if t.number == best.number else t for t in single.trials)
    found = load(replace(single, trials=trials).export(tmp_path / "best.json")).metadata
    assert found.metrics == metrics
    assert found.fold_metrics == of_folds
    one = load(single.export(tmp_path / "one.json")).metadata
    assert one.metrics == one.fold_metrics == {}
