"""A trial that is proposed, built or trained just now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from truetune.space import Value
from truetune.storage.base import LostTrial
from truetune.trial import Suggestion, Trial


@dataclass
class RunningTrial:
    """One trial on its way.

    Attributes:
        number: 0, 1, ….
        suggestion: what the searcher proposed, or what an interrupted trial had.
        worker: who trains it.
        answers: by key, all values given to the builder.
        trial: what is recorded; None until the model is built.
        earlier: the interrupted trial that is trained again, if this is one.
        attempt: how often it was restarted.
        began: on the monotonic clock, for a trial whose worker cannot report its duration.
        foreseen: by key, the values `fit` will receive if it requests the same as in earlier trials.
        refused: why the proposal, still to be retracted, is not trained; empty if it is trained.
        lost: another process trains it by now.
    """

    number: int
    suggestion: Suggestion
    worker: int
    answers: dict[str, Value] = field(default_factory=dict)
    trial: Trial | None = None
    earlier: Trial | None = None
    attempt: int = 0
    began: float = field(default_factory=time.monotonic)
    foreseen: dict[str, Value] = field(default_factory=dict)
    refused: str = ""
    lost: bool = False

    @property
    def may_be_refused(self) -> bool:
        """Trials that were begun before, by an earlier run or by the trial they continue, are trained on."""
        return self.earlier is None and self.suggestion.schedule.parent is None

    def writes(self, action: Callable[[], None]) -> bool:
        """Whether the record took what `action` writes; it does not when another process has the trial by now."""
        try:
            action()
        except LostTrial:
            self.lost = True
        return not self.lost
