"""On a terminal: the live screen, and Ctrl-C in it."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from support import own_task

pytestmark = pytest.mark.tensorflow

TUNE = ("tune", *own_task.SPEC, "--method", "optuna", "--max-trials", "500", "--epochs", "3", "--pruner", "none")
PATIENCE_SECONDS = 120


class Terminal:
    """A process on a pseudo-terminal of 100 columns, and all that it wrote."""

    def __init__(self, folder, words):
        master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
        code = "from truetune.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            close_fds=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # nohup and `&` leave it ignored
        )
        os.close(slave)
        self.master, self.written = master, ""

    def read_until(self, pattern):
        end = time.monotonic() + PATIENCE_SECONDS
        while pattern is None or not re.search(pattern, self.written):
            if time.monotonic() > end:
                pytest.fail(f"{pattern} did not come:\n{self.written[-3000:]}")
            if not select.select([self.master], [], [], 1.0)[0]:
                continue
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                piece = b""
            if not piece:
                return
            self.written += piece.decode(errors="replace")

    def interrupt(self):
        """What the terminal does on Ctrl-C: SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_live_screen_then_ctrl_c_says_how_to_go_on(tmp_path):
    terminal = Terminal(own_task.write(tmp_path), TUNE)
    try:
        terminal.read_until(r"trial 2 complete")
        terminal.read_until(r"worker 0  trial \d+  epoch [1-3]/3")
        terminal.interrupt()
        terminal.read_until(None)
        terminal.process.wait(30)
    finally:
        terminal.close()
    screen = plain(terminal.written)
    assert terminal.process.returncode == 130
    assert "Loading TensorFlow and the data" in screen
    assert re.search(r"trials +\d+/500 +\(\d+ done, 0 pruned, 0 failed\)", screen)
    assert re.search(r"best so far +val_accuracy 0\.\d{4} \(trial \d+\)", screen)
    assert re.search(r"today's config +0\.\d{4} \(trial 0\)", screen)
    assert re.search(r"elapsed +\d+:\d\d, remaining about", screen)
    after = screen.partition("Stopped; ")[2]
    assert "finished work is kept" in after
    assert " ".join(TUNE) in after
    assert "Traceback" not in screen
    assert "absl" not in screen
    assert terminal.written.rindex("\x1b[?25h") > terminal.written.rindex("\x1b[?25l")  # the cursor is back
    trials = recorded(tmp_path)
    assert [t.number for t in trials] == list(range(len(trials)))
    assert sum(t.state.name == "COMPLETE" for t in trials) >= 3
    assert no_process_left(terminal.process.pid)


def recorded(folder):
    import optuna

    return optuna.load_study(study_name="iris_optuna", storage=f"sqlite:///{folder}/models/tuning/optuna.db").trials


def no_process_left(group):
    """Whether every process of the group has ended, workers included."""
    import psutil

    left = [p for p in psutil.process_iter() if _group(p.pid) == group and p.status() != psutil.STATUS_ZOMBIE]
    return not left


def _group(pid):
    try:
        return os.getpgid(pid)
    except OSError:
        return None
