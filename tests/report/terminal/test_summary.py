"""The summary's table of metrics: all folds together, and the lowest and highest fold."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from truetune.objective import Objective
from truetune.report.terminal.summary import print_summary
from truetune.result import Result
from truetune.space import Hyperparameter, Space
from truetune.trial import Trial, TrialState

METRICS = {"uar": 0.51, "accuracy": 0.6, "loss": 1.25, "f1": math.nan}
FOLD_METRICS = {
    "uar": (0.55, 0.41, 0.5),
    "accuracy": (0.62, 0.58, 0.61),
    "loss": (1.5, 1.0, math.nan),
    "f1": (math.nan, math.nan, math.nan),
}


@pytest.fixture
def summary(tmp_path):
    def summary_of(**fields):
        space = Space()
        space.add(Hyperparameter("Int", "units", 8, low=8, high=64, step=8))
        trial = Trial(0, TrialState.COMPLETE, {"units": 8}, score=0.51, epochs=9, best_epoch=2, **fields)
        found = Result("study", "sqlite:///x.db", Objective("val_uar", "max"), (trial,), space, {})
        console = Console(file=io.StringIO(), width=200, force_terminal=False)
        print_summary(console, found, tmp_path / "best.json", "truetune apply")
        return console.file.getvalue()

    return summary_of


def rows(text):
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    return [row for row in cells if len(row) == 4]


def test_several_folds_have_a_row_a_metric_and_the_objectives_is_first(summary):
    text = summary(fold_scores=FOLD_METRICS["uar"], metrics=METRICS, fold_metrics=FOLD_METRICS)
    assert "Search: trial 0 over 3 folds" in text
    assert rows(text) == [
        ["uar", "0.5100", "0.4100", "0.5500"],
        ["accuracy", "0.6000", "0.5800", "0.6200"],
        ["f1", "–", "–", "–"],
        ["loss", "1.2500", "1.0000", "1.5000"],
    ]


def test_one_fold_has_no_such_table(summary):
    text = summary()
    assert rows(text) == []
    assert "folds" not in text
