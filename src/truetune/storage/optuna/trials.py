"""The trials of a study as trials of an Optuna study.

A trial is claimed when it is proposed, written with all its values when its model is built (both RUNNING), after every
epoch, and when it ends; the last write sets the state, so that a trial whose supervisor was killed is found RUNNING
and is trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from truetune.errors import StudyError
from truetune.search.optuna.distributions import natural_distribution
from truetune.space import Hyperparameter, Space, Value
from truetune.storage.base import Trials
from truetune.storage.database import storage_errors
from truetune.storage.optuna.connection import StudyConnection, StudyPart
from truetune.storage.optuna.seen import SeenTrials
from truetune.storage.optuna.trial_attributes import STATES, attributes_of, checksum_of, from_optuna
from truetune.storage.optuna.trial_rows import ATTEMPT, OWNER, TrialRows
from truetune.system.checksum import CHECKSUM
from truetune.trial import Trial


class OptunaTrials(StudyPart, Trials):
    """Reads them through Optuna's storage, and writes them in transactions of its own (see `TrialRows`)."""

    def __init__(self, connection: StudyConnection) -> None:
        super().__init__(connection)
        self._rows, self._seen = TrialRows(connection), SeenTrials()
        self._seen.read(connection.read(lambda: self._rows.states(0, ())))

    def trials(self) -> list[Trial]:
        study = self._connection
        frozen = study.read(lambda: study.storage.get_all_trials(study.study_id, deepcopy=False))
        if [t.number for t in frozen] != list(range(len(frozen))):
            raise study.damaged("the list of its trials")
        self._seen.ids |= {t.number: t._trial_id for t in frozen}
        return [self._checked(t) for t in frozen]

    def _checked(self, frozen: FrozenTrial) -> Trial:
        """Raises StudyError when an ended trial is not what was written."""
        try:
            trial = from_optuna(frozen)
            if not trial.state.is_finished or checksum_of(trial, frozen.user_attrs) == frozen.user_attrs[CHECKSUM]:
                return trial
        except (KeyError, TypeError, ValueError) as error:
            raise self._connection.damaged(f"trial {frozen.number}") from error
        raise self._connection.damaged(f"trial {frozen.number}")

    # Whose they are

    @property
    def next_number(self) -> int:
        return self._seen.next_unseen

    def claim(self, most: int) -> int | None:
        before = set(self._seen.mine)

        def once() -> tuple[int, int] | None:
            return self._forgotten_claim(before) or self._rows.claim(most)

        claimed = self._connection.do(once)
        if claimed is None:
            return None
        self._seen.claimed(*claimed)
        return claimed[1]

    def _forgotten_claim(self, before: set[int]) -> tuple[int, int] | None:
        """A claim whose commit was done, but whose answer was lost with the connection."""
        if self._connection.patience is None or not self._connection.patience.is_waiting:
            return None
        for trial_id, number, state in self._rows.states(self._seen.next_unseen, ()):
            attributes = self._connection.storage.get_trial_user_attrs(trial_id)
            is_ours = attributes.get(OWNER) == self._connection.owner.token
            if state is OptunaState.RUNNING and number not in before and is_ours:
                return trial_id, number
        return None

    def give_back(self, number: int) -> bool:
        given = self._connection.do(lambda: self._rows.give_back(self._seen.ids[number]))
        if given:
            self._seen.given_back(number)
        return given

    def take(self, trial: Trial) -> bool:
        trial_id = self._seen.ids[trial.number]
        taken = self._connection.do(lambda: self._rows.take(trial_id, trial.owner, trial.attempt + 1))
        if taken:
            self._seen.mine.add(trial.number)
        return taken

    def retry(self, number: int, attempt: int) -> None:
        self._connection.do(lambda: self._rows.retry(self._seen.ids[number], attempt))

    def leave_to_others(self, number: int) -> None:
        self._seen.lost(number)

    def free(self) -> None:
        with storage_errors(self._connection.url):
            self._rows.free([self._seen.ids[number] for number in self._seen.mine])
        self._seen.mine.clear()

    # Their lives

    def start(self, trial: Trial, space: Space) -> None:
        if trial.number not in self._seen.ids:
            self._claim_number(trial.number)
        distributions = {key: natural_distribution(space[key]) for key in trial.values}
        params = {k: (d.to_internal_repr(trial.values[k]), d) for k, d in distributions.items()}
        attributes = {**attributes_of(trial), "hyperparameters": space.names(trial.values)}
        self._connection.do(lambda: self._rows.start(self._seen.ids[trial.number], params, attributes))

    def _claim_number(self, number: int) -> None:
        if self.claim(most=number + 1) != number:
            raise StudyError(
                f"Trial {number} of study '{self._connection.name}' is there already: another process writes to it. "
                "Stop the other one, or use another --study-name."
            )

    def add_value(self, number: int, key: str, hyperparameter: Hyperparameter, value: Value) -> None:
        distribution = natural_distribution(hyperparameter)
        internal = distribution.to_internal_repr(value)
        self._connection.do(lambda: self._rows.add_param(self._seen.ids[number], key, internal, distribution))

    def report(self, number: int, epoch: int, value: float) -> None:
        self._connection.do(lambda: self._rows.report(self._seen.ids[number], epoch, value))

    def finish(self, trial: Trial, space: Space, history: Mapping[str, list[float]] | None = None) -> None:
        trial_id, state = self._seen.ids[trial.number], STATES[trial.state]
        attributes: dict[str, Any] = {
            **attributes_of(trial),
            "hyperparameters": space.names(trial.values),
            "history": self._history(trial_id) if history is None else dict(history),
        }
        attributes[CHECKSUM] = checksum_of(trial, {ATTEMPT: trial.attempt, **attributes})
        self._connection.do(lambda: self._rows.finish(trial_id, state, trial.score, trial.reports, attributes))
        self._seen.ended(trial.number)

    def _history(self, trial_id: int) -> dict[str, list[float]]:
        attributes = self._connection.do(lambda: self._connection.storage.get_trial_user_attrs(trial_id))
        return dict(attributes.get("history", {}))

    def thaw(self, trial: Trial) -> None:
        self._connection.do(lambda: self._rows.thaw(self._seen.ids[trial.number], trial.thawed_at))
        self._seen.mine.add(trial.number)

    def changes(self) -> list[Trial]:
        rows = self._connection.read(lambda: self._rows.states(self._seen.next_unseen, self._seen.unfinished))
        trials = [self._trial(trial_id) for trial_id, number, _ in rows if number not in self._seen.mine]
        self._seen.read(rows)
        return trials

    def _trial(self, trial_id: int) -> Trial:
        return self._checked(self._connection.read(lambda: self._connection.storage.get_trial(trial_id)))
