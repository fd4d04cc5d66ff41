"""The task of docs/how-to/options-of-a-task.md: tuned, resumed, applied, retrained and verified by commands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tensorflow

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "options-of-a-task.md").read_text(encoding="utf-8")
TASK, IN_PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
HELP, REFUSAL = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)

CONFIG = "UNITS = 4\nLEARNING_RATE = 0.001  # of Adam\n"
TRUETUNE = (sys.executable, "-c", "from truetune.cli import main; main(prog_name='truetune')")
TASK_WORDS = ("--task", "flowers.py:make", "--measures", "3", "--scale", "log")
TUNE = ("tune", *TASK_WORDS, "--method", "optuna", "--max-trials", "3", "--finalists", "0")


def command(folder, *words):
    return subprocess.run([*TRUETUNE, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a finished search."""
    import numpy as np
    from sklearn.datasets import load_iris

    folder = tmp_path_factory.mktemp("flowers")
    X, y = load_iris(return_X_y=True)
    rows = np.unique(np.column_stack([X, y])[:, [0, 1, 2, 4]], axis=0, return_index=True)[1]
    (folder / "my flowers é").mkdir()
    np.save(folder / "my flowers é" / "a table.npy", np.column_stack([X, y])[np.sort(rows)], allow_pickle=False)
    (folder / "flowers.py").write_text(TASK)
    (folder / "src").mkdir()
    (folder / "src" / "config.py").write_text(CONFIG)
    done = command(folder, *TUNE, "--data", "my flowers é/a table.npy", "--config", "src/config.py")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_record_and_the_export_keep_the_options(tuned):
    source = json.loads((tuned / "models" / "best_hyperparameters.json").read_text())["metadata"]["data"]["source"]
    assert source == {
        "task_spec": "flowers.py:make",
        "data": "my flowers é/a table.npy",
        "measures": 3,
        "scale": "log",
    }


def test_the_help_is_that_of_the_page(tuned):
    shown = HELP.split("…\n")[1]
    done = command(tuned, *HELP.splitlines()[0].split()[2:])
    assert done.stdout.endswith(shown)


def without_fingerprints(text):
    return re.sub(r"fingerprint [0-9a-f]{16}", "fingerprint …", text)


def test_the_pages_refusal_is_that_of_the_command(tuned):
    done = command(tuned, *TUNE, "--data", "my flowers é/a table.npy", "--measures", "2")
    assert without_fingerprints(done.stderr) == without_fingerprints(REFUSAL.split("\n", 1)[1])


def test_the_pages_python_searches(tuned):
    (tuned / "flowers.npy").write_bytes((tuned / "my flowers é" / "a table.npy").read_bytes())
    lines = (f"from flowers import *\n{IN_PYTHON}", "assert result.best_score is not None, result")
    script = "\n".join(lines).replace("max_trials=30", "max_trials=1, finalists=0, workers=0, directory='python'")
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=tuned, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--measures", "2"), "option --measures: was 3, now 2"),
        (("--measures", "4"), "option --measures: was 3, now 4"),
    ],
)
def test_other_options_under_the_same_name_are_refused_as_changed_data_are(tuned, words, line):
    done = command(tuned, *TUNE, "--data", "my flowers é/a table.npy", *words)
    assert done.returncode == 2
    assert line in done.stderr
    assert "--fresh" in done.stderr


def test_data_that_were_moved_are_the_same_data(tuned):
    copy = tuned / "moved.npy"
    copy.write_bytes((tuned / "my flowers é" / "a table.npy").read_bytes())
    done = command(tuned, *TUNE, "--data", "moved.npy", "--output", "elsewhere.json")
    assert done.returncode == 0, done.stderr
    assert "already has 3 trials; nothing to do" in done.stdout


def test_a_path_that_does_not_exist_is_refused_before_the_task_is_made(tuned):
    done = command(tuned, *TUNE, "--data", "nowhere.npy")
    assert done.returncode == 2
    assert done.stderr == "Error: --data: nowhere.npy does not exist. Expected a file or folder; check the path.\n"


def test_apply_train_and_verify_take_the_options_of_the_search(tuned):
    applied = command(tuned, "apply", "--yes")
    assert applied.returncode == 0, applied.stderr
    assert "Next: truetune train, then truetune verify" in applied.stdout
    trained = command(tuned, "train")
    assert trained.returncode == 0, trained.stderr
    verified = command(tuned, "verify", "--seeds", "5")
    assert verified.returncode == 0, verified.stderr
    assert "10/10" in verified.stdout


def test_an_option_given_now_takes_the_place_of_the_recorded_one(tuned):
    done = command(tuned, "train", "--data", "nowhere.npy")
    assert done.returncode == 2
    assert "nowhere.npy does not exist" in done.stderr
