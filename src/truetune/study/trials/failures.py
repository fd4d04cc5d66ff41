"""Stops a search whose trials fail one after the other for the same reason."""

from __future__ import annotations

import re
from collections import deque

from truetune.errors import RepeatedFailure
from truetune.trial import OUT_OF_MEMORY, Trial, TrialState

FAILURES_IN_A_ROW = 3


class FailureWatch:
    """Compares the reasons of trials that failed in a row, numbers in them left aside."""

    def __init__(self) -> None:
        self._reasons: deque[str] = deque(maxlen=FAILURES_IN_A_ROW)

    def count(self, trial: Trial) -> None:
        """Take note of a trial that ended here.

        Raises:
            RepeatedFailure: one trial too many failed for the same reason.
        """
        if trial.cause == OUT_OF_MEMORY:
            return  # the search moves away from it by itself
        if trial.state is not TrialState.FAILED:
            self._reasons.clear()
            return
        self._reasons.append(re.sub(r"\d+", "#", trial.reason))
        if len(self._reasons) == FAILURES_IN_A_ROW and len(set(self._reasons)) == 1:
            raise RepeatedFailure(
                f"{FAILURES_IN_A_ROW} trials in a row failed for the same reason: {trial.reason}. The search "
                "stopped. Fix the cause and rerun the same command to continue."
            )
