"""`truetune verify` by command, to its end: what it prints, and the exit codes of `--require-improvement`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.cli_runs import run

pytestmark = pytest.mark.tensorflow

TASK = '''"""Two classes that one feature tells apart, of 20 persons."""

import keras
import numpy as np

import truetune

rng = np.random.default_rng(1)
y = np.tile([0, 1], 100)
X = (rng.normal(size=(200, 4)) + 2 * y[:, None]).astype("float32")


def build(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Choice("learning_rate", [0.0, 0.1, 0.2])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], run_eagerly=True)  # no seconds of tracing
    return model


def own():
    data = truetune.Dataset(X, y, groups=np.repeat(np.arange(20), 10))
    return truetune.Task("verified", build, data, truetune.Objective("val_accuracy", "max"), epochs=2)
'''

SIX = ("verify", "--seeds", "6")


@pytest.fixture
def applied(here):
    """A search from a config that says `rate`, whose winner was replaced by hand by `winner` and applied."""
    yield lambda rate, winner: _applied(here, rate, winner)
    sys.modules.pop("verifiedtask", None)


def _applied(folder: Path, rate: float, winner: float) -> None:
    (folder / "verifiedtask.py").write_text(TASK)
    (folder / "src").mkdir()
    (folder / "src" / "config.py").write_text(f"LEARNING_RATE = {rate}\n")
    words = ("--task", "verifiedtask.py:own", "--method", "optuna", "--max-trials", "2", "--workers", "0")
    tuned = run("tune", *words, "--finalists", "0", "--config", "src/config.py")
    assert tuned.exit_code == 0, tuned.output
    best = folder / "models" / "best_hyperparameters.json"
    content = json.loads(best.read_text())
    del content["metadata"]["checksum"]  # as a person does who edits the file
    content["hyperparameters"]["learning_rate"] = winner
    best.write_text(json.dumps(content))
    done = run("apply", "--yes")
    assert done.exit_code == 0, done.output
    assert done.output.endswith("Next: truetune train, then truetune verify\n")


def test_an_improvement_is_said_and_leaves_with_0(applied, here):
    applied(rate=0.0, winner=0.1)
    foreseen = run(*SIX, "--dry-run")
    assert foreseen.exit_code == 0, foreseen.output
    assert foreseen.output.startswith(
        "With 6 seeds and 4 test subjects, this verification can detect a difference of about"
    )
    assert foreseen.output.endswith("Nothing was trained; the sealed rows stay sealed.\n")
    assert not list(here.rglob("ledger.json"))
    found = run(*SIX, "--require-improvement")
    assert found.exit_code == 0, found.output
    assert "Training 12 models, before and after the last apply to src/config.py" in found.output
    assert "12/12" in found.output
    assert "accuracy on 40 sealed test rows" in found.output
    assert "Verdict:             improved" in found.output
    assert "exploratory" not in found.output


def test_without_an_improvement_it_leaves_with_0_and_where_one_is_required_with_5(applied):
    applied(rate=0.2, winner=0.0)
    found = run(*SIX)
    assert found.exit_code == 0, found.output
    assert "Verdict:             worse" in found.output
    required = run(*SIX, "--require-improvement")
    assert required.exit_code == 5, required.output
    assert "Verdict:             worse" in required.output
    assert "exploratory: the test part was opened once before for this study" in required.output
