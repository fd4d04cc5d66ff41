"""The searcher of docs/how-to/write-your-own-searcher.md keeps the contract, and searches."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import truetune
from truetune.testing import SearcherContract

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-your-own-searcher.md"


def of_the_page():
    """The class in the first block of the page."""
    names = {}
    exec(re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1], names)
    return names["HillClimber"]


class TestHillClimber(SearcherContract):
    def make(self, problem):
        return of_the_page()(problem)


def build(hp):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 64), "relu")])
    model.add(keras.layers.Dense(2, "softmax"))
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def tuned(task, folder, max_trials):
    return truetune.tune(task, max_trials=max_trials, searcher=of_the_page(), workers=0, finalists=0, directory=folder)


@pytest.mark.tensorflow
def test_it_searches_and_a_search_that_is_extended_goes_on_as_the_whole_one(blobs, tmp_path):
    task = truetune.Task("own", build, blobs, truetune.Objective("val_accuracy", "max"), epochs=1)
    whole = tuned(task, tmp_path / "whole", 5)
    tuned(task, tmp_path / "extended", 3)
    extended = tuned(task, tmp_path / "extended", 5)
    assert whole.study_name == "own_hill-climber"
    assert [trial.values for trial in extended.trials] == [trial.values for trial in whole.trials]
    assert len({str(trial.values) for trial in whole.trials}) == 5
    assert all(isinstance(trial, truetune.Trial) and trial.score is not None for trial in whole.trials)
