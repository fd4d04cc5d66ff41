"""Four processes on one study, two of them killed and one frozen past its lease: every trial is there exactly once."""

from __future__ import annotations

import signal

import pytest

from truetune.trial import TrialState

pytestmark = [pytest.mark.tensorflow, pytest.mark.reliability]

LEASE_SECONDS = 4.0
TRIALS = 60


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_sixty_trials_by_four_processes(search, storage, request):
    url = request.getfixturevalue("postgres") if storage == "postgresql" else None
    searching = search(url, max_trials=TRIALS, lease_seconds=LEASE_SECONDS, epoch_seconds=0.3, max_retries=3)
    first, second, third, fourth = (searching.start() for _ in range(4))
    searching.wait_for_trials(8)
    first.kill()
    third.send_signal(signal.SIGSTOP)
    searching.wait_for_trials(20)
    second.kill()
    searching.wait_for_trials(35)
    third.send_signal(signal.SIGCONT)
    searching.finish(third)
    searching.finish(fourth)
    trials = searching.trials()
    assert [t.number for t in trials] == list(range(TRIALS))
    assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}, searching.logs()
    assert len({tuple(sorted(t.values.items())) for t in trials}) == TRIALS
    assert max(t.attempt for t in trials) >= 1
    best = [line for line in fourth.log.read_text().splitlines() if line.startswith("best")]
    assert best == [line for line in third.log.read_text().splitlines() if line.startswith("best")]
