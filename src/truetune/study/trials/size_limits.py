"""Which models are too large to be trained: more parameters than allowed, or as large as one that did not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from truetune.errors import InputError
from truetune.search.infeasible import is_at_least_as_large, is_infeasible
from truetune.space import Space, Value
from truetune.study.events import Observer
from truetune.training.messages import Outcome
from truetune.trial import ERROR, OUT_OF_MEMORY, Trial, TrialState


class SizeLimits:
    """Remembers the trials that ran out of memory.

    Args:
        space: the study's, which grows.
        trials: of earlier runs.
        max_parameters: the most a model may have; None for no limit.
        observer: notified once that models were skipped.
    """

    def __init__(self, space: Space, trials: Iterable[Trial], max_parameters: int | None, observer: Observer) -> None:
        self._space, self._max_parameters, self._observer = space, max_parameters, observer
        self._failed = [trial for trial in trials if is_infeasible(trial)]
        self._noted: set[str] = set()

    def learn(self, trial: Trial) -> None:
        """Take note of how a trial ended."""
        if is_infeasible(trial):
            self._failed.append(trial)

    def declines(self, answers: Mapping[str, Value]) -> bool:
        """Whether a builder that has received `answers` (by key) is going to run out of memory."""
        too_large = any(self._is_as_large(answers, failed) for failed in self._failed)
        if too_large:
            self._note_once("Skipping models at least as large as one that ran out of memory.")
        return too_large

    def refuses(self, number: int, values: Mapping[str, Value], parameters: int) -> bool:
        """Whether a built model is too large to be trained.

        Raises:
            InputError: trial 0, today's configuration, has too many parameters.
        """
        if self._max_parameters is not None and parameters > self._max_parameters:
            if number == 0:
                raise InputError(
                    f"Today's configuration (trial 0) has {parameters:,} parameters. Expected at most "
                    f"{self._max_parameters:,} (--max-parameters). Raise the limit, or start from a smaller "
                    "configuration."
                )
            self._note_once(
                f"Skipping models with more than {self._max_parameters:,} parameters; others are proposed instead."
            )
            return True
        return number > 0 and self.declines(values)

    def _is_as_large(self, values: Mapping[str, Value], failed: Trial) -> bool:
        """The same keys must be there, but for a trial that died before its builder had asked for all of them."""
        if failed.parameters and set(failed.values) != set(values):
            return False
        return is_at_least_as_large(self._space, values, failed.values)

    def _note_once(self, line: str) -> None:
        if line not in self._noted:
            self._noted.add(line)
            self._observer.note(line)


def explained(outcome: Outcome, trial: Trial, names: Mapping[str, Value]) -> Outcome:
    """A failed outcome with its cause; where memory ran out, also with how large the model was."""
    if outcome.state is not TrialState.FAILED:
        return outcome
    if outcome.cause != OUT_OF_MEMORY:
        return replace(outcome, cause=outcome.cause or ERROR)
    size = f"{trial.parameters:,} parameters" if trial.parameters else "its model was not fully built"
    batch = f", batch size {names['batch_size']}" if "batch_size" in names else ""
    return replace(outcome, reason=f"{outcome.reason}; {size}{batch}")
