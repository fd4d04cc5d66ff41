"""Looks at a record again and again: what was finished stays as it is, and no trial is lost or repeated."""

from __future__ import annotations


class Witness:
    """Remembers every trial it saw."""

    def __init__(self):
        self.seen = {}

    @property
    def finished(self):
        """Numbers of the trials that had ended at the last look."""
        return {number for number, trial in self.seen.items() if trial.state.is_finished}

    def look(self, trials):
        assert [t.number for t in trials] == list(range(len(trials)))
        assert self.finished <= {t.number for t in trials}, "a finished trial is gone"
        for trial in trials:
            before = self.seen.get(trial.number)
            if before is not None and before.state.is_finished:
                assert trial == before
            elif before is not None and before.is_built:
                assert trial.values == before.values
        self.seen = {trial.number: trial for trial in trials}


def assert_each_once(trials, count):
    """Numbers 0 to `count` - 1, all of them finished, no two with the same values."""
    assert [t.number for t in trials] == list(range(count))
    assert all(t.state.is_finished for t in trials)
    assert len({tuple(sorted(t.values.items())) for t in trials}) == count
