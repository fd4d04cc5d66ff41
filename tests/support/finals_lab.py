"""What the tests of finalists share."""

from __future__ import annotations

from truetune.study.events import Observer


class Listener(Observer):
    """Remembers what it was told."""

    def __init__(self):
        self.lines, self.stages, self.ended = [], [], []

    def note(self, line):
        self.lines.append(line)

    def finals_started(self, n_runs):
        self.stages.append(n_runs)

    def fresh_run_ended(self, run, done, total):
        self.ended.append((run, done, total))
