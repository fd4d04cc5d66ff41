"""The whole path by command, for somebody's own task: tune, status, apply, undo, the same command again, refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import own_task
from support.cli_runs import files_here, message_of, refused, run

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[2]
TUNE = ("tune", *own_task.SPEC, "--method", "optuna", "--max-trials", "3", "--config", "src/config.py")
TRUETUNE = (sys.executable, "-c", "from truetune.cli import main; main(prog_name='truetune')")


def command(folder, *words, program=TRUETUNE):
    """A process of its own, not on a terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [*program, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=environment
    )


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder of a finished search, and what the search printed."""
    folder = own_task.write(tmp_path_factory.mktemp("iris"))
    return folder, command(folder, *TUNE)


@pytest.fixture
def inside(tuned, monkeypatch):
    monkeypatch.chdir(tuned[0])
    yield tuned[0]
    sys.modules.pop("iristask", None)


def test_plain_lines_where_there_is_no_terminal(tuned):
    _, done = tuned
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout
    assert lines[0] == "Task iris: arrays, 149 rows."
    assert lines[1] == "95 rows train, 24 validate (split by row); 30 rows are sealed for the final test (by row)."
    for number in range(3):
        assert sum(line.startswith(f"trial {number} ") and f"[{number + 1}/3, best" in line for line in lines) == 1
    assert "Best val_accuracy: " in done.stdout
    assert "Best hyperparameters written to models/best_hyperparameters.json" in lines
    assert lines[-1].startswith(("Next: truetune apply", "You can keep today's config. `truetune apply`"))


def test_the_winner_and_where_it_came_from(inside):
    from truetune.results.export import load

    best = load("models/best_hyperparameters.json")
    names = {"layers", "units_0", "learning_rate", "batch_size"}
    assert set(best.hyperparameters) == names | ({"units_1"} if best.hyperparameters["layers"] == 2 else set())
    assert best.metadata.data.source == {"task_spec": "iristask.py:own"}
    assert best.metadata.n_trials["complete"] + best.metadata.n_trials["pruned"] == 3
    assert best.metadata.baseline.hyperparameters == {
        "layers": 1,
        "units_0": 8,
        "learning_rate": 0.01,
        "batch_size": 32,
    }


def test_the_record_opens_in_optuna_with_natural_values(inside):
    import optuna

    study = optuna.load_study(study_name="iris_optuna", storage="sqlite:///models/tuning/optuna.db")
    assert [t.number for t in study.trials] == [0, 1, 2]
    assert study.trials[0].params == {"layers": 1, "units_0": 8, "learning_rate": 0.01, "batch_size": 32}
    assert all(sorted(t.intermediate_values) == [1, 2] for t in study.trials)
    assert optuna.visualization.plot_optimization_history(study).data


def test_the_same_command_again_has_nothing_to_do(inside, no_worker):
    before = files_here()
    result = run(*TUNE)
    assert result.exit_code == 0, result.output
    assert "Study 'iris_optuna' already has 3 trials; nothing to do." in result.output
    assert "truetune apply" in result.output
    changed = {path for path, content in files_here().items() if before.get(path) != content}
    assert {Path(path).name for path in changed} <= {"best_hyperparameters.json", "optuna.db"}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--seed", "1"), "seed: was 0, now 1"),
        (("--epochs", "3"), "epochs: was 2, now 3"),
        (("--study-name", "iris_optuna", "--method", "keras-tuner"), "method: was optuna, now keras-tuner"),
    ],
)
def test_another_search_under_the_same_name(inside, no_worker, words, part):
    message = refused(*TUNE, *words)
    assert part in message
    assert "--fresh" in message
    assert "--study-name" in message


def test_changed_data_under_the_same_name(inside, no_worker):
    file = inside / "iristask.py"
    file.write_text(
        own_task.TASK.replace("X, y = load_iris(return_X_y=True)", "X, y = load_iris(return_X_y=True)\nX[0] += 1")
    )
    try:
        message = refused(*TUNE, "--max-trials", "4")
    finally:
        file.write_text(own_task.TASK)
    assert "data: was fingerprint" in message
    assert "--fresh" in message


def test_a_changed_space_under_the_same_name(inside):
    file = inside / "iristask.py"
    file.write_text(own_task.TASK.replace("[16, 32]", "[16, 32, 64]"))
    try:
        message = refused(*TUNE, "--max-trials", "4", "--workers", "0")
    finally:
        file.write_text(own_task.TASK)
    assert "search space: batch_size" in message
    assert "--study-name" in message


def test_grid_refuses_a_continuous_range(inside):
    words = ("tune", *own_task.SPEC, "--method", "keras-tuner", "--tuning-algorithm", "grid", "--workers", "0")
    result = run(*words)
    assert result.exit_code == 2
    message = message_of(result.output)
    assert "learning_rate" in message
    assert "step" in message
    assert "iris_grid" not in run("status").output  # the corrected command finds nothing in its way


def test_an_objective_that_is_never_logged_names_the_logged_ones(inside):
    file = inside / "f1task.py"
    file.write_text(own_task.TASK.replace("val_accuracy", "val_f1"))
    done = command(inside, "tune", "--task", "f1task.py:own", "--method", "optuna", "--study-name", "f1")
    assert done.returncode == 2
    message = message_of(done.stderr)
    assert "The objective 'val_f1' was never logged" in message
    assert "accuracy, loss, val_accuracy, val_loss" in message
    assert "trial 0 complete" not in done.stdout
    assert "f1" not in run("status").output


def test_a_builder_that_raises_stops_at_once_with_its_traceback(inside):
    file = inside / "brokentask.py"
    file.write_text(own_task.TASK.replace('hp.Choice("batch_size", [16, 32])', "hp.Choice(1 / 0, [16, 32])"))
    result = run(
        "tune", "--task", "brokentask.py:own", "--method", "optuna", "--workers", "0", "--study-name", "broken"
    )
    assert result.exit_code == 1
    assert "in build" in result.output
    assert result.output.rstrip().splitlines()[-1] == "Error: The builder raised ZeroDivisionError: division by zero"
    assert "truetune/training" not in result.output


def test_a_winner_that_cannot_be_written_is_said_and_the_study_is_kept(inside):
    (inside / "taken").write_text("mine")
    result = run(*TUNE, "--output", "taken/best.json")
    assert result.exit_code == 2
    assert "taken" in message_of(result.output)
    assert (inside / "taken").read_text() == "mine"


def test_status_lists_studies_and_trials(inside):
    assert "iris_optuna" in run("status").output
    result = run("status", "--study-name", "iris_optuna")
    assert result.exit_code == 0
    assert result.output.count("complete") + result.output.count("pruned") == 3


def test_apply_and_undo_on_their_own_config(inside):
    config = inside / "own" / "config.py"
    config.parent.mkdir()
    text = own_task.CONFIG.replace("0.01", "0.5")  # no trial's value
    config.write_text(text)
    best = json.loads((inside / "models" / "best_hyperparameters.json").read_text())["hyperparameters"]
    looked = run("apply", "--dry-run", "--config", config)
    assert "Nothing was changed." in looked.output
    assert config.read_text() == text
    applied = run("apply", "--yes", "--config", config)
    assert applied.exit_code == 0, applied.output
    assert f"Next: truetune train --config {config}, then truetune verify --config {config}\n" in applied.output
    namespace = {}
    exec(config.read_text(), namespace)
    assert {name: namespace[name.upper()] for name in best} == best
    assert "nothing was changed" in run("apply", "--yes", "--config", config).output
    undone = run("undo", "--config", config)
    assert undone.exit_code == 0, undone.output
    assert config.read_text() == text


def test_after_apply_the_eeg_tasks_own_script_is_named_where_it_stands(inside, tmp_path, monkeypatch):
    content = json.loads((inside / "models" / "best_hyperparameters.json").read_text())
    del content["metadata"]["checksum"]  # as a person does who edits the file
    content["metadata"]["data"]["source"] = {"task_spec": "eeg-emotion"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best.json").write_text(json.dumps(content))
    (tmp_path / "src").mkdir()
    config = tmp_path / "src" / "config.py"
    for script, expected in ((False, "truetune train"), (True, "python src/train_emotion_model.py")):
        config.write_text("class EEGEmotion:\n    LEARNING_RATE = 0.5\n")
        if script:
            (tmp_path / "src" / "train_emotion_model.py").touch()
        applied = run("apply", "--yes", "--best", "best.json")
        assert applied.output.endswith(f"Next: {expected}, then truetune verify\n")


def test_after_apply_a_folder_of_ones_own_is_named(inside, tmp_path):
    (tmp_path / "config.py").write_text(own_task.CONFIG.replace("0.01", "0.5"))
    best = tmp_path / "mine" / "best_hyperparameters.json"
    best.parent.mkdir()
    best.write_bytes((inside / "models" / "best_hyperparameters.json").read_bytes())
    applied = run("apply", "--yes", "--best", best, "--config", tmp_path / "config.py", "--task", "iristask.py:own")
    options = f"--config {tmp_path / 'config.py'} --directory {best.parent}"
    assert applied.output.endswith(f"Next: truetune train {options}, then truetune verify {options}\n")


def test_a_plan_writes_nothing(inside):
    before = files_here()
    result = run(*TUNE, "--dry-run", "--max-trials", "7")
    assert result.exit_code == 0, result.output
    assert "learning_rate" in result.output
    assert "Default model: 67 parameters, " in result.output
    assert "7 trials (14 epochs in total)" in result.output
    assert files_here() == before


def test_doctor_finds_this_machine_well(inside):
    done = command(inside, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROBLEM" not in done.stdout
    assert "one trial in a worker process: score" in done.stdout


def test_the_users_script_is_the_installed_command(tmp_path):
    script = command(tmp_path, "--help", program=(sys.executable, str(ROOT / "run_hyperparameter_tuning.py")))
    installed = command(tmp_path, "tune", "--help")
    assert script.returncode == installed.returncode == 0
    assert script.stdout.partition("\n")[2] == installed.stdout.partition("\n")[2]
    assert script.stdout.startswith("Usage: run_hyperparameter_tuning.py [OPTIONS]")
