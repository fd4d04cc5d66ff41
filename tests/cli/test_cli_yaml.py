"""`apply` on YAML files, and `--map`: what is printed, and what is refused before anything is written or started."""

import pytest

from support.cli_runs import refused, run
from support.winner import winner

pytestmark = pytest.mark.usefixtures("here", "no_worker")

YAML = "training:\n  lr: 1e-3  # of Adam\n  batch_size: 32\n"


@pytest.fixture(autouse=True)
def best(here):
    winner({"learning_rate": 5e-05, "batch_size": 16}).write(here / "models" / "best_hyperparameters.json")


def config(here, text=YAML):
    (here / "conf.yaml").write_text(text)
    return here / "conf.yaml"


def test_a_dry_run_shows_the_diff_and_what_readers_differ_about(here):
    path = config(here)
    done = run("apply", "--config", path, "--map", "learning_rate=training.lr", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "+  lr: 5.0e-05  # of Adam  # truetune: mine_optuna trial 17" in done.output
    assert "is `1e-3`, which is text to PyYAML (YAML 1.1) and 0.001 to YAML 1.2" in done.output
    assert path.read_text() == YAML


def test_apply_undo_and_the_commands_to_type_next(here):
    path = config(here)
    done = run("apply", "--config", "conf.yaml", "--map", "learning_rate=training.lr", "--yes")
    assert done.exit_code == 0, done.output
    assert path.read_text() == (
        "training:\n  lr: 5.0e-05  # of Adam  # truetune: mine_optuna trial 17\n"
        "  batch_size: 16  # truetune: mine_optuna trial 17\n"
    )
    given = "--config conf.yaml --map learning_rate=training.lr"
    assert f"Next: truetune train {given}, then truetune verify {given}" in done.output
    assert run("undo", "--config", "conf.yaml").exit_code == 0
    assert path.read_text() == YAML


@pytest.mark.parametrize("text", ["learning_rate", "=training.lr", "learning_rate=", "", " = "])
@pytest.mark.parametrize("command", ["apply", "train", "tune"])
def test_a_pair_that_is_none_is_refused(here, command, text):
    config(here)
    words = ["--task", "eeg-emotion"] if command == "tune" else []
    message = refused(command, *words, "--config", "conf.yaml", "--map", text)
    assert f"--map {text!r} was given. Expected NAME=KEY" in message
    assert "--map learning_rate=training.lr" in message


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["learning_rate=a.b", "learning_rate=c.d"], "two keys, a.b and c.d. Expected one"),
        (["learning_rate=training.lr", "batch_size=training.lr"], "both map to training.lr"),
        (["learning_rate=training.rate"], "no key training.rate for learning_rate. It has: training, training.lr, "),
        (["rate=training.lr"], "given for rate, and the winner has no such hyperparameter. It has: batch_size, learn"),
    ],
)
def test_pairs_that_cannot_be_are_refused(here, pairs, message):
    config(here)
    assert message in refused(
        "apply", "--yes", "--config", "conf.yaml", *(w for pair in pairs for w in ("--map", pair))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training:\n  lr: 0.1\n  lr: 0.2\n", "2 times: lr in line 2 (training), lr in line 3 (training)"),
        ("training: &t\n  lr: 0.1\nother: *t\n", "the anchor &t of line 1 is used again in line 3"),
        ("base: &b\n  lr: 0.1\ntraining:\n  <<: *b\n", "comes from the merge `<<` in line 4, and stands in line 2"),
        ("training:\n\tlr: 0.1\n", "line 2 is not valid YAML"),
        ("training:\n  lr: 0.1\n---\ntraining:\n  lr: 0.2\n", "2 documents, which begin in lines 1, 3"),
        ("- lr: 0.1\n", "line 1 begins a list"),
        ("training: [\n", "is not valid YAML"),
    ],
)
def test_files_that_are_never_guessed_about(here, text, message):
    path = config(here, text)
    assert message in refused("apply", "--yes", "--config", "conf.yaml", "--map", "learning_rate=training.lr")
    assert path.read_text() == text


def test_a_file_in_another_encoding_is_refused_with_the_line(here):
    (here / "conf.yaml").write_bytes("a: 1\nlr: 0.1  # größe\n".encode("latin-1"))
    assert "line 2 is not encoded as utf-8" in refused("apply", "--yes", "--config", "conf.yaml")
