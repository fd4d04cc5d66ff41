"""The task of docs/how-to/train-in-stages.md: tuned in worker processes, retrained and verified by its recipe."""

import re
from pathlib import Path

import pytest

import truetune

pytestmark = pytest.mark.tensorflow

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "train-in-stages.md").read_text(encoding="utf-8")
TASK, WARMUP, CLASS_WEIGHT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


class Seen(truetune.Observer):
    def __init__(self):
        self.notes, self.stages = [], []

    def note(self, line):
        self.notes.append(line)

    def stage_started(self, number, begun):
        self.stages.append((number, begun.name))


@pytest.fixture(scope="module")
def page():
    """What the page's blocks define."""
    names = {"__name__": "faces"}
    for block in (TASK, WARMUP, CLASS_WEIGHT.replace("recipe", "tuned_weights")):
        exec(block, names)  # the words of the page, as they stand
    return names


@pytest.fixture(scope="module")
def searched(page, tmp_path_factory):
    seen = Seen()
    folder = tmp_path_factory.mktemp("staged")
    options = {"max_trials": 2, "workers": 2, "finalists": 1, "fresh_runs": 2, "seed": 3}
    return truetune.tune(page["task"], directory=folder, observer=seen, **options), seen


def test_every_trial_goes_through_the_stages_of_the_page(searched):
    result, seen = searched
    assert len(result.trials) == 2
    for trial in result.trials:
        names = [name for number, name in seen.stages if number == trial.number]
        assert names == ["head", "last block", "all"]
        assert set(trial.values) == {"learning_rate", "head_epochs", "lr_factor"}
        assert trial.epochs == sum(stage.epochs for stage in trial.stages)
        assert trial.stages[1].learning_rates[0] == pytest.approx(0.003)
    assert result.fresh
    assert all(run.score is not None for run in result.fresh)


def test_verification_trains_the_winners_course_and_notes_what_it_replaced(searched):
    result, _ = searched
    printed = str(result.verify(seeds=5))
    assert "EarlyStopping is replaced by the number of epochs that the search found." in printed
    assert "ReduceLROnPlateau(val_loss) is replaced by the learning rates that the search used." in printed


def test_the_pages_own_callback_and_class_weights_are_taken(page, tmp_path):
    import dataclasses

    recipe = dataclasses.replace(page["tuned_weights"], callbacks=lambda hp: [page["Warmup"]()])
    task = dataclasses.replace(page["task"], fit=recipe, epochs=2)
    seen = Seen()
    result = truetune.tune(task, directory=tmp_path, max_trials=1, workers=0, finalists=0, observer=seen)
    assert "balance" in result.trials[0].values
    assert not [line for line in seen.notes if "Warmup" in line]
