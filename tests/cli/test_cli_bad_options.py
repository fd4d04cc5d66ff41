"""Options that cannot be: refused with the known ones, before any worker is started."""

import pytest

from support.cli_runs import Rows, refused, run

pytestmark = pytest.mark.usefixtures("here", "no_worker")


@pytest.fixture
def data(here):
    return Rows.make().save(here / "rows.npz")


BAD = [
    (("--max-trials", "0"), ("max_trials=0", "at least 1")),
    (("--max-trials", "-3"), ("max_trials=-3", "at least 1")),
    (("--workers", "-1"), ("workers=-1", "0 (train in this process) or more")),
    (("--workers", "1.5"), ("workers=1.5", "or auto")),
    (("--workers", "3", "--gpus", "0,1"), ("workers=3", "2 GPUs", "one worker per GPU")),
    (("--worker-memory", "much"), ("'much'", "3G or 800M")),
    (("--max-parameters", "0"), ("max_parameters=0", "at least 1")),
    (("--seed", "-1"), ("seed=-1", "0 or more")),
    (("--epochs", "0"), ("epochs=0", "at least 1")),
    (("--method", "keras_tuner"), ("'keras_tuner' does not exist", "keras-tuner, optuna")),
    (("--tuning-algorithm", "hyperbnd"), ("'hyperbnd' does not exist", "Did you mean hyperband?", "tpe, bayesian")),
    (
        ("--method", "keras-tuner", "--tuning-algorithm", "tpe"),
        ("no tuning algorithm 'tpe'", "bayesian, hyperband, random, grid"),
    ),
    (
        ("--method", "optuna", "--tuning-algorithm", "grid"),
        ("no tuning algorithm 'grid'", "tpe", "grid belongs to --method keras-tuner"),
    ),
    (("--method", "optuna", "--pruner", "asha"), ("'asha' does not exist", "median, none, hyperband")),
    (("--study-name", "a/b"), ("'a/b'", "letters, digits")),
    (("--study-name", ""), ("''", "letters, digits")),
    (("--study-name", ".."), ("'..'", "letters, digits")),
    (("--objective", "f1"), ("'f1' is never logged", "val_accuracy", "val_uar")),
    (("--sfreq", "-1"), ("sfreq=-1", "positive")),
    (("--sfreq", "nan"), ("sfreq=nan", "positive")),
    (("--task", "eeg-motion"), ("no task 'eeg-motion'", "eeg-emotion", "path/to/file.py:attribute")),
    (("--config", "missing.py"), ("no file missing.py", "existing config file (.py, .yaml, .yml)")),
]
OF_EACH_KIND = [case for case in BAD if case[0][1] in ("0", "f1", "eeg-motion", "missing.py")]
"""`plan` makes its options, its task and its config by the functions that `tune` makes them by."""


@pytest.mark.parametrize(
    ("command", "words", "parts"), [*(("tune", *case) for case in BAD), *(("plan", *case) for case in OF_EACH_KIND)]
)
def test_refused_with_what_was_expected(data, command, words, parts):
    message = refused(command, "--data", data, *words)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("optuna.db", ("storage URL", "sqlite:///models/optuna.db")),
        ("nosql://here", ("nosql", "sqlite:///models/optuna.db")),
        ("postgresql+nodriver://here/x", ("nodriver", "sqlite:///models/optuna.db")),
        ("sqlite:///nowhere/optuna.db", ("nowhere", "--storage")),
    ],
)
def test_a_storage_that_cannot_be_opened(data, url, parts):
    message = refused("tune", "--data", data, "--storage", url)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("words", [("--max-trials", "many"), ("--maxtrials", "3")])
def test_words_that_click_refuses(data, words):
    result = run("tune", "--data", data, *words)
    assert result.exit_code == 2
    assert "Usage:" in result.output
    assert "Error:" in result.output


def test_a_password_in_a_storage_url_is_not_shown(data):
    message = refused("tune", "--data", data, "--storage", "mysql+nodriver://me:secret@localhost/x")
    assert "secret" not in message


@pytest.mark.parametrize("seeds", ["4", "0", "-5"])
def test_too_few_pairs_to_verify(data, seeds):
    assert "at least 5 pairs" in refused("verify", "--data", data, "--seeds", seeds)


class TestOwnTask:
    """`--task file.py:attribute`."""

    @pytest.mark.parametrize(
        ("spec", "parts"),
        [
            ("mine.py:task", ("no file mine.py",)),
            ("mine.py", ("no task 'mine.py'", "path/to/file.py:attribute")),
            ("nowhere.package:task", ("nowhere.package cannot be imported", "PYTHONPATH")),
        ],
    )
    def test_not_found(self, spec, parts):
        message = refused("tune", "--task", spec)
        for part in parts:
            assert part in message

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("task = (", ("owntask.py cannot be imported", "line 1")),
            ("import not_installed_anywhere", ("not_installed_anywhere", "installed or on PYTHONPATH")),
            ("other = 1", ("has no 'task'", "it has no Task")),
            ("task = 5", ("is a int", "Expected a truetune.Task")),
            ("task = lambda: None", ("is a NoneType", "Expected a truetune.Task")),
            (
                "import truetune\ntask = truetune.Task('x', lambda hp: None, [1, 2],"
                " truetune.Objective('val_loss', 'min'))",
                ("data is a list", "Expected a truetune.Dataset"),
            ),
            (
                "import truetune\ntask = truetune.Task('x', lambda hp: None, lambda: None,"
                " truetune.Objective('val_loss', 'min'))",
                ("NoneType", "Expected a truetune.Dataset"),
            ),
            (
                "import truetune\ntask = truetune.Task('x y', lambda hp: None, None,"
                " truetune.Objective('val_loss', 'min'))",
                ("'x y'", "letters, digits"),
            ),
            (
                "import truetune\ntask = truetune.Task('x', lambda hp: None, None,"
                " truetune.Objective('val_loss', 'lower'))",
                ("'lower'", "'min' or 'max'"),
            ),
        ],
    )
    def test_wrong_inside(self, here, text, parts, forget_own_task):
        (here / "owntask.py").write_text(text)
        message = refused("tune", "--task", "owntask.py:task")
        for part in parts:
            assert part in message

    @pytest.mark.parametrize(
        ("text", "raised"),
        [
            ("x = 3\ntask = x / 0", "ZeroDivisionError: division by zero"),
            ("def task():\n    raise OSError('no disk')", "OSError: no disk"),
            (
                "import truetune\ntask = truetune.Task('x', lambda hp: None, lambda: {}['rows'],"
                " truetune.Objective('val_loss', 'min'))",
                "KeyError: 'rows'",
            ),
        ],
    )
    def test_their_own_code_raises_and_they_see_where(self, here, text, raised, forget_own_task):
        (here / "owntask.py").write_text(text)
        result = run("tune", "--task", "owntask.py:task")
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert 'owntask.py", line 2' in result.output
        assert f"raised {raised}" in result.output.splitlines()[-1]
        assert "truetune/tasks" not in result.output

    def test_brings_its_own_data(self, here, data, forget_own_task):
        (here / "owntask.py").write_text(
            "import numpy as np, truetune\n"
            "task = truetune.Task('x', lambda hp: None, truetune.Dataset(np.zeros((4, 2)), np.arange(4) % 2),"
            " truetune.Objective('val_loss', 'min'))"
        )
        for words in (("--data", data), ("--use-dummy-data",), ("--objective", "uar"), ("--sfreq", "128")):
            message = refused("tune", "--task", "owntask.py:task", *words)
            assert f"There is no option {words[0]}. It belongs to the task eeg-emotion." in message
            assert "owntask.py:task has no options of its own" in message
