"""Damaged, missing, read-only and full: the database, the JSON, the config, the disk; before any worker is started."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from support.cli_runs import Rows, message_of, refused, run
from truetune.results.export import BestHyperparameters, DataRecord, Metadata, ObjectiveRecord

pytestmark = pytest.mark.usefixtures("here", "no_worker")

CONFIG = "class EEGEmotion:\n    LEARNING_RATE: float = 0.001  # of the optimizer\n    BATCH_SIZE: int = 32\n"


@pytest.fixture
def data(here):
    return Rows.make().save(here / "rows.npz")


@pytest.fixture
def config(here):
    (here / "src").mkdir()
    path = here / "src" / "config.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def best(here):
    """An exported winner of another batch size."""
    metadata = Metadata(
        best_score=0.9,
        timestamp=datetime(2025, 1, 1, tzinfo=UTC),
        objective=ObjectiveRecord(name="val_accuracy", direction="max"),
        method="optuna",
        algorithm="tpe",
        study_name="s",
        trial=3,
        n_trials={"complete": 4},
        data=DataRecord(fingerprint="f", kind="EEG features", source={"task_spec": "eeg-emotion"}),
        seed=0,
        versions={},
        epochs=7,
    )
    path = here / "models" / "best_hyperparameters.json"
    BestHyperparameters(hyperparameters={"batch_size": 16, "learning_rate": 0.01}, metadata=metadata).write(path)
    return path


class TestDatabase:
    """`optuna.db`."""

    @pytest.fixture
    def database(self, here):
        path = here / "models" / "tuning" / "optuna.db"
        path.parent.mkdir(parents=True)
        return path

    @pytest.mark.parametrize(
        "content", [b"not a database at all, but text " * 40, b"SQLite format 3\x00" + b"\x07" * 4096]
    )
    def test_no_database(self, data, database, content):
        database.write_bytes(content)
        message = refused("tune", "--data", data)
        assert "models/tuning/optuna.db is damaged" in message
        assert "Restore it from a backup" in message
        assert database.read_bytes() == content

    def test_pages_overwritten(self, data, database):
        with sqlite3.connect(database) as connection:
            connection.execute("create table t (x)")
            connection.executemany("insert into t values (?)", [("x" * 500,)] * 100)
        connection.close()
        content = bytearray(database.read_bytes())
        content[4096:12288] = b"\xab" * 8192
        database.write_bytes(content)
        assert "is damaged" in refused("tune", "--data", data)

    def test_somebody_elses_database(self, data, database):
        connection = sqlite3.connect(database)
        connection.execute("create table studies (x)")
        connection.execute("insert into studies values (5)")
        connection.commit()
        result = run("tune", "--data", data)
        assert result.exit_code == 2
        assert "Check that it is an Optuna database" in message_of(result.output)
        assert connection.execute("select x from studies").fetchall() == [(5,)]
        connection.close()

    def test_a_folder_in_its_place(self, data, database):
        database.mkdir()
        assert "optuna.db" in refused("tune", "--data", data)

    def test_status_without_one(self):
        message = refused("status")
        assert "There is no study database at models/tuning/optuna.db" in message
        assert "truetune tune" in message

    def test_status_of_a_damaged_one(self, database):
        database.write_bytes(b"not a database at all, but text " * 40)
        assert "is damaged" in refused("status")

    def test_status_of_an_unknown_study(self, database):
        from truetune.storage.database import sqlite_url
        from truetune.storage.store import create_store

        create_store(sqlite_url(database), "mine", "max", "val_accuracy").close()
        assert "Expected one of: mine" in refused("status", "--study-name", "yours")


class TestBestHyperparameters:
    """`best_hyperparameters.json`."""

    @pytest.mark.parametrize(
        ("command", "content", "part"),
        [
            ("apply", b"", "line 1"),
            ("apply", b'{"hyperparameters": {"batch_size": 16', "line 1"),
            ("apply", b"\xff\xfe\x00", "not UTF-8"),
            ("apply", b"[1, 2]", "does not hold exported hyperparameters"),
            ("apply", b'{"hyperparameters": {"batch_size": NaN}}', "NaN"),
            ("apply", b'{"hyperparameters": {"batch_size": [1]}, "metadata": {}}', "hyperparameters.batch_size"),
            # The others read it by the same `load`.
            ("train", b"", "line 1"),
            ("verify", b"", "line 1"),
        ],
    )
    def test_damaged(self, config, best, data, command, content, part):
        if command == "verify":
            assert run("apply", "--yes").exit_code == 0
        text = config.read_text()
        best.write_bytes(content)
        message = refused(command)
        assert part in message
        assert "best_hyperparameters.json" in message
        assert "export it again" in message
        assert config.read_text() == text

    def test_missing(self, config):
        message = refused("apply")
        assert "There is no file models/best_hyperparameters.json" in message
        assert "Finish a search first" in message

    def test_of_a_task_that_is_gone(self, config, best):
        record = json.loads(best.read_text())
        record["metadata"]["data"]["source"] = {"task_spec": "moved.py:task"}
        record["metadata"]["checksum"] = None
        best.write_text(json.dumps(record))
        assert "names the task moved.py:task" in refused("apply")
        assert "no file moved.py" in refused("apply", "--task", "moved.py:task")
        assert config.read_text() == CONFIG


class TestConfig:
    """`src/config.py`."""

    @pytest.mark.parametrize("command", ["apply", "train", "verify", "undo"])
    def test_missing(self, best, data, command):
        message = refused(command)
        assert "src/config.py" in message

    @pytest.mark.parametrize("command", ["apply", "train", "verify", "tune", "plan"])
    def test_with_a_syntax_error(self, config, best, data, command):
        config.write_text(CONFIG + "    LSTM_UNITS: int = (128\n")
        words = ("--data", data) if command != "apply" else ()
        message = refused(command, *words)
        assert "src/config.py" in message
        assert "line" in message

    @pytest.mark.parametrize("command", ["verify", "undo"])
    def test_before_any_apply(self, config, best, data, command):
        message = refused(command)
        assert "src/config.py" in message
        assert "apply" in message

    def test_changed_since_the_apply(self, config, best):
        assert run("apply", "--yes").exit_code == 0
        config.write_text(config.read_text() + "# mine\n")
        assert "changed" in refused("undo")

    def test_a_value_that_is_no_literal(self, config, best):
        config.write_text("import os\n" + CONFIG.replace("32", "int(os.environ.get('B', 32))"))
        message = refused("apply", "--yes")
        assert "BATCH_SIZE" in message
        assert "line 4" in message

    def test_no_means_no(self, config, best):
        result = run("apply", answer="n\n")
        assert result.exit_code == 0
        assert "-    BATCH_SIZE: int = 32\n" in result.output
        assert "+    BATCH_SIZE: int = 16  # truetune: s trial 3\n" in result.output
        assert "Nothing was changed." in result.output
        assert config.read_text() == CONFIG


class TestDisk:
    """Places that cannot be written."""

    def test_a_file_where_the_folder_should_be(self, here, data):
        (here / "models").write_text("mine")
        message = refused("tune", "--data", data)
        assert "models" in message
        assert (here / "models").read_text() == "mine"

    @pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, where nobody can make a folder")
    def test_a_folder_that_nobody_can_write(self, data):
        message = refused("tune", "--data", data, "--directory", "/proc/models")
        assert "/proc/models" in message
        assert "--directory" in message or "another" in message

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder(self, here, data, config, best):
        for folder in (here, here / "src"):
            folder.chmod(0o555)
        try:
            assert "writ" in refused("tune", "--data", data, "--directory", "elsewhere")
            assert "writ" in refused("apply", "--yes")
        finally:
            for folder in (here, here / "src"):
                folder.chmod(0o755)

    @pytest.mark.parametrize("most_bytes", [0, 65536], ids=["at the first file", "within the database"])
    def test_a_full_disk(self, here, data, most_bytes):
        """Files may not grow beyond a limit, which fails as a full disk does: in the middle of a write."""
        words = ("tune", "--data", str(data), "--method", "optuna", "--max-trials", "1")
        message = self.limited(most_bytes, *words)
        assert "models" in message
        assert "Free some" in message

    def test_a_full_disk_while_applying(self, here, config, best):
        message = self.limited(10, "apply", "--yes")
        assert "src" in message
        assert config.read_text() == CONFIG
        assert sorted(p.name for p in config.parent.iterdir()) == ["config.py"]

    def limited(self, most_bytes, *words):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        command = [sys.executable, "-B", "-c", "from truetune.cli import main; main()", *words]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, timeout=60, check=False)
        assert done.returncode == 2, done.stderr
        return message_of(done.stderr)
