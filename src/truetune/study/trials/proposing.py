"""What is trained next: a proposal of the searcher, under a number that is claimed for it; or a paused trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from truetune.errors import StudyError
from truetune.search.base import NoSuggestion, Resume, Searcher
from truetune.study.budget import Budget
from truetune.study.context import StudyContext
from truetune.study.trials.running import RunningTrial
from truetune.trial import Suggestion, Trial, TrialState

MOST_PROPOSALS = 50
"""Proposals in a row that were all trained before; after so many the space counts as exhausted."""

MOST_REFUSALS = 1000
"""Likewise, of models that are too large counted in. A grid may hold many of them in a row."""

REPEATED, TOO_LARGE = "repeated", "too large"


class Proposer:
    """Asks the searcher, one proposal at a time, until one is accepted.

    One trial is built at a time, so that what is built can be compared with all that was.

    Args:
        searcher: restored already.
        context: of the study; its store is where numbers are claimed.
        budget: decides whether another trial may start.
        trials: what the record holds.
        look: learns what other processes did.

    Attributes:
        building: what is proposed and not accepted yet.
        paused: trials that the searcher may go on with, by number.
    """

    def __init__(
        self,
        searcher: Searcher,
        context: StudyContext,
        budget: Budget,
        trials: Sequence[Trial],
        look: Callable[[], None],
    ) -> None:
        self._searcher, self._store, self._space = searcher, context.store, context.space
        self._observer, self._budget, self._look = context.observer, budget, look
        self.building: RunningTrial | None = None
        self.paused = {t.number: t for t in trials if t.state is TrialState.PAUSED}
        self._claimed: Trial | None = None
        self._proposals = self._repetitions = 0
        self._exhausted = self._has_noted_why = False

    @property
    def may_start(self) -> bool:
        """Whether the searcher may be asked; also when no number is left, as long as it has paused trials."""
        if self._claimed is not None:
            return True
        if self._exhausted or not (self._has_number or self.paused):
            return False
        why_not = self._budget.why_not()
        if why_not and not self._has_noted_why:
            self._observer.note(f"{why_not} No more trials start; rerun the same command to continue.")
            self._has_noted_why = True
        return not why_not

    @property
    def _has_number(self) -> bool:
        return self._store.next_number < self._budget.limits.max_trials

    @property
    def holds_number(self) -> bool:
        return self._claimed is not None

    def hold(self, trial: Trial) -> None:
        """The next proposal is for the number of `trial`, which is ours and has no model yet."""
        self.building, self._claimed = None, trial

    def propose(self, worker: int) -> RunningTrial | None:
        """What `worker` should build next; None when there is nothing (or nothing yet)."""
        if self.building is not None or not self.may_start:
            return None
        number = self._store.next_number if self._claimed is None else self._claimed.number
        suggestion = self._searcher.ask(number, self._proposals)
        if suggestion is NoSuggestion.EXHAUSTED:
            self._end_of_space()
        if isinstance(suggestion, NoSuggestion):
            return None
        if isinstance(suggestion, Resume):
            return self._thaw(suggestion.number, worker)
        if self._claimed is None:
            claimed = self._claim(number, suggestion)
            if claimed is None:
                return None
            number, suggestion = claimed
        assert self._claimed is not None
        self.building = RunningTrial(number, suggestion, worker, attempt=self._claimed.attempt)
        return self.building

    def _claim(self, number: int, suggestion: Suggestion) -> tuple[int, Suggestion] | None:
        """Make `number` ours; where another process was quicker, the next one, with what is proposed for it."""
        claimed = self._store.claim(self._budget.limits.max_trials) if self._has_number else None
        if claimed == number:
            self._claimed = Trial(number, TrialState.RUNNING, {})
            return number, suggestion
        self._searcher.retract(number)
        self._look()
        if claimed is None:
            return None
        self._claimed = Trial(claimed, TrialState.RUNNING, {})
        again = self._searcher.ask(claimed)
        return (claimed, again) if isinstance(again, Suggestion) else None

    def _thaw(self, number: int, worker: int) -> RunningTrial:
        """Go on with a paused trial. Raises StudyError when it is none."""
        if number not in self.paused:
            raise StudyError(
                f"The searcher resumed trial {number}. Expected one of the paused trials: "
                f"{', '.join(map(str, sorted(self.paused))) or 'none'}; check the return value of its `ask`."
            )
        paused = self.paused.pop(number)
        thawed = replace(paused, state=TrialState.RUNNING, thawed_at=max(paused.reports, default=0))
        self._store.thaw(thawed)
        suggestion = Suggestion(thawed.values, thawed.schedule)
        return RunningTrial(number, suggestion, worker, dict(thawed.values), earlier=thawed, attempt=thawed.attempt)

    def accepted(self) -> None:
        """What was being built is recorded."""
        self.building = self._claimed = None
        self._proposals = self._repetitions = 0

    def refused(self, running: RunningTrial) -> None:
        """What was built is not trained: something else is proposed under its number."""
        if running.refused:
            self._searcher.retract(running.number)
        self.building = None
        self._proposals += 1
        self._repetitions += running.refused == REPEATED
        if self._repetitions >= MOST_PROPOSALS or self._proposals >= MOST_REFUSALS:
            self._end_of_space()

    def drop(self, running: RunningTrial) -> None:
        """It is another process's by now."""
        if self.building is running:
            self._searcher.retract(running.number)
            self.building = self._claimed = None

    def _end_of_space(self) -> None:
        if not self._exhausted:
            count = self._store.next_number - (self._claimed is not None)
            self._observer.note(f"The search space (or the schedule) is exhausted after {count} trials.")
        self._exhausted = True
        claimed, self._claimed = self._claimed, None
        if claimed is not None and not self._store.give_back(claimed.number):
            unused = replace(claimed, state=TrialState.FAILED, reason="nothing new was left to try")
            self._store.finish(unused, self._space)
