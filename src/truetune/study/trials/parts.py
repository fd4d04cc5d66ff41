"""What the parts of a trial's life have in common."""

from __future__ import annotations

from dataclasses import dataclass

from truetune.search.base import Searcher
from truetune.study.context import StudyContext
from truetune.study.trials.known_trials import KnownTrials
from truetune.study.trials.proposing import Proposer
from truetune.study.trials.takeover import Takeover


@dataclass(frozen=True)
class LifecycleParts:
    """What building and ending both work with.

    Attributes:
        searcher: answers, and learns.
        context: of the study; its space grows with what builders ask for.
        known: what the trials so far teach.
        proposer: has what is being built, and what is paused.
        takeover: what other processes train, and what dead ones left.
    """

    searcher: Searcher
    context: StudyContext
    known: KnownTrials
    proposer: Proposer
    takeover: Takeover
