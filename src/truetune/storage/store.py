"""The record: one Optuna study holds the trials of every method. Only supervisors write it.

A trial is claimed when it is proposed, written with all its values when its model is built (both RUNNING), after every
epoch, and when it ends; the last write sets the state, so that a trial whose supervisor was killed is found RUNNING
and is trained again.
"""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from truetune.errors import StudyError
from truetune.search.optuna.distributions import natural_distribution
from truetune.space import Hyperparameter, Space, Value
from truetune.storage.database import Patience, open_storage, reading, storage_errors
from truetune.storage.leases import Owner
from truetune.storage.record import ATTEMPT, Record
from truetune.storage.trial_attributes import STATES, attributes_of, checksum_of, from_optuna
from truetune.storage.url import without_password
from truetune.system.checksum import checksum
from truetune.trial import FreshRun, PlannedRun, Trial

Result = TypeVar("Result")

_META = "truetune"
_CHECKSUM = "checksum"
_DISCOVERED = "truetune:discovered:"
_FRESH = "truetune:fresh:"


class Store:
    """The trials of one study.

    Args:
        url: where the database is.
        name: of the study.
        direction: "min" or "max".
        objective: its name, shown by Optuna's plots.
        owner: this process; None makes one.
        patience: how long to wait while the record cannot be written; None raises at once.
    """

    def __init__(
        self,
        url: str,
        name: str,
        direction: str,
        objective: str,
        owner: Owner | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._attach(url, name, owner, patience)
        with storage_errors(url):
            study = optuna.create_study(
                study_name=name,
                storage=self._storage,
                direction="maximize" if direction == "max" else "minimize",
                load_if_exists=True,
            )
            with warnings.catch_warnings():  # experimental in Optuna; only the labels of its plots depend on it
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([objective])
        self._open(study)

    @classmethod
    def open_existing(cls, url: str, name: str) -> Store:
        """The study as it is; a `KeyError` where there is none."""
        store = cls.__new__(cls)
        store._attach(url, name, None, None)
        with reading(url):
            names = optuna.get_all_study_names(store._storage)
        if name not in names:
            raise KeyError(name)
        with reading(url):
            study = optuna.load_study(study_name=name, storage=store._storage)
        store._open(study)
        return store

    def _attach(self, url: str, name: str, owner: Owner | None, patience: Patience | None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.url, self.name = url, name
        self.owner = owner or Owner.myself()
        self._patience = patience
        self._storage = open_storage(url)
        self._ids: dict[int, int] = {}
        self._mine: set[int] = set()
        self._next_unseen = 0
        self._open_numbers: set[int] = set()

    def _open(self, study: optuna.Study) -> None:
        self._study = study
        with reading(self.url):
            study_id = self._storage.get_study_id_from_name(self.name)
            self._record = Record(self._storage, study_id, self.owner.token)
            self._study_id = study_id
            rows = self._record.states(0, ())
        self._ids = {number: trial_id for trial_id, number, _ in rows}
        self._watch(rows)

    def _do(self, action: Callable[[], Result]) -> Result:
        """Run `action` with database errors explained, and again when what stopped it may pass."""

        def explained() -> Result:
            with storage_errors(self.url):
                return action()

        return explained() if self._patience is None else self._patience.run(explained)

    def _read(self, action: Callable[[], Result]) -> Result:
        """As `_do`; raises StudyError for rows that make no sense."""
        with reading(self.url):
            return self._do(action)

    # What the study was made from

    @property
    def meta(self) -> dict[str, Any]:
        """What `set_meta` last wrote, with what was discovered since; empty for a new study."""
        attributes = self._read(lambda: self._storage.get_study_user_attrs(self._study_id))
        found = attributes.get(_META)
        meta = self._verified(found, "its description") if found else {}
        texts = [value for key, value in sorted(attributes.items()) if key.startswith(_DISCOVERED)]
        discovered = [self._verified(text, "a hyperparameter") for text in texts]
        return {**meta, "discovered": discovered} if meta or discovered else {}

    def _verified(self, text: str, what: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(text)
            stated = content.pop(_CHECKSUM)
        except (ValueError, KeyError, AttributeError):
            raise StudyError(self._damaged(what)) from None
        if checksum(content) != stated:
            raise StudyError(self._damaged(what))
        return content

    def _damaged(self, what: str) -> str:
        return (
            f"The record of study '{self.name}' in {without_password(self.url)} is damaged: the checksum of {what} "
            "does not fit. Restore the database from a backup, or start anew with --fresh."
        )

    def set_meta(self, meta: Mapping[str, Any]) -> None:
        kept = {key: value for key, value in meta.items() if key not in ("discovered", _CHECKSUM)}
        self._set_attribute(_META, kept)

    def discover(self, key: str, hyperparameter: Hyperparameter) -> None:
        """Keep a hyperparameter that the trace had not found, so that a resumed search knows it."""
        self._set_attribute(f"{_DISCOVERED}{key}", {"key": key, **hyperparameter.to_config()})

    def claim_fresh(self, planned: PlannedRun, alive: Collection[str]) -> bool:
        """Make a fresh run ours to train; False when another owner has it who is `alive` (by token)."""
        return self._do(lambda: self._record.claim_run(_key(planned), alive))

    def add_fresh(self, run: FreshRun) -> None:
        """Keep a fresh run of a finalist; one of the same trial, stage and repeat takes its place."""
        self._set_attribute(f"{_FRESH}{_key(run.planned)}", asdict(run))

    def fresh_runs(self) -> list[FreshRun]:
        """The fresh runs that are recorded, by stage, trial and repeat.

        Raises:
            StudyError: one of them is not what was written.
        """
        attributes = self._read(lambda: self._storage.get_study_user_attrs(self._study_id))
        texts = [text for key, text in attributes.items() if key.startswith(_FRESH)]
        found = [self._fresh_run(self._verified(text, "a fresh run")) for text in texts]
        return sorted(found, key=lambda run: (run.stage, run.trial, run.repeat))

    def _fresh_run(self, content: dict[str, Any]) -> FreshRun:
        try:
            return FreshRun(**{**content, "fold_scores": tuple(content["fold_scores"])})
        except (KeyError, TypeError):
            raise StudyError(self._damaged("a fresh run")) from None

    def _set_attribute(self, key: str, content: Mapping[str, Any]) -> None:
        text = json.dumps({**content, _CHECKSUM: checksum(content)})
        self._do(lambda: self._study.set_user_attr(key, text))

    # Trials

    def trials(self) -> list[Trial]:
        """All trials by number."""
        frozen = self._read(lambda: self._storage.get_all_trials(self._study_id, deepcopy=False))
        if [t.number for t in frozen] != list(range(len(frozen))):
            raise StudyError(self._damaged("the list of its trials"))
        self._ids |= {t.number: t._trial_id for t in frozen}
        return [self._checked(t) for t in frozen]

    def _checked(self, frozen: FrozenTrial) -> Trial:
        """Raises StudyError when an ended trial is not what was written."""
        try:
            trial = from_optuna(frozen)
            if not trial.state.is_finished or checksum_of(trial, frozen.user_attrs) == frozen.user_attrs[_CHECKSUM]:
                return trial
        except (KeyError, TypeError, ValueError):
            pass
        raise StudyError(self._damaged(f"trial {frozen.number}"))

    def claim(self, most: int) -> int | None:
        """The number of a new running trial of ours; None when the study has `most` trials."""
        before = set(self._mine)

        def once() -> tuple[int, int] | None:
            return self._forgotten_claim(before) or self._record.claim(most)

        claimed = self._do(once)
        if claimed is None:
            return None
        trial_id, number = claimed
        self._ids[number] = trial_id
        self._mine.add(number)
        self._open_numbers |= set(range(self._next_unseen, number))  # given to others since we last looked
        self._next_unseen = max(self._next_unseen, number + 1)
        return number

    def _forgotten_claim(self, before: set[int]) -> tuple[int, int] | None:
        """A claim whose commit was done, but whose answer was lost with the connection."""
        if self._patience is None or not self._patience.is_waiting:
            return None
        for trial_id, number, state in self._record.states(self._next_unseen, ()):
            attributes = self._storage.get_trial_user_attrs(trial_id)
            if state is OptunaState.RUNNING and number not in before and attributes.get("owner") == self.owner.token:
                return trial_id, number
        return None

    def give_back(self, number: int) -> bool:
        """Undo a claim; False when it has to stay (later numbers were given), and then has to be ended."""
        given = self._do(lambda: self._record.give_back(self._ids[number]))
        if given:
            del self._ids[number]
            self._mine.discard(number)
            self._open_numbers.discard(number)
            self._next_unseen = min(self._next_unseen, number)
        return given

    def take(self, trial: Trial) -> bool:
        """Make a trial found RUNNING ours, with one more attempt; False when somebody was quicker."""
        taken = self._do(lambda: self._record.take(self._ids[trial.number], trial.owner, trial.attempt + 1))
        if taken:
            self._mine.add(trial.number)
        return taken

    def retry(self, number: int, attempt: int) -> None:
        """Record that our trial is started anew. Raises LostTrial."""
        self._do(lambda: self._record.retry(self._ids[number], attempt))

    def leave_to_others(self, number: int) -> None:
        """It is another process's by now: `changes` tells how it goes on."""
        self._mine.discard(number)
        self._open_numbers.add(number)

    def free(self) -> None:
        """Leave our unfinished trials to whoever comes next, and say that we are gone."""
        ids = [self._ids[number] for number in self._mine]
        with storage_errors(self.url):
            self._record.free(ids)
            self._record.forget([self.owner.token])
        self._mine.clear()

    def start(self, trial: Trial, space: Space) -> None:
        """Record the values of a trial that starts to train. It is claimed here unless it was.

        Raises:
            StudyError: somebody else recorded this number.
            LostTrial: it is not ours any more.
        """
        if trial.number not in self._ids:
            self._claim_number(trial.number)
        distributions = {key: natural_distribution(space[key]) for key in trial.values}
        params = {k: (d.to_internal_repr(trial.values[k]), d) for k, d in distributions.items()}
        attributes = {**attributes_of(trial), "hyperparameters": space.names(trial.values)}
        self._do(lambda: self._record.start(self._ids[trial.number], params, attributes))

    def _claim_number(self, number: int) -> None:
        claimed = self.claim(most=number + 1)
        if claimed != number:
            raise StudyError(
                f"Trial {number} of study '{self.name}' is there already: another process writes to it. "
                "Stop the other one, or use another --study-name."
            )

    def add_value(self, number: int, key: str, hyperparameter: Hyperparameter, value: Value) -> None:
        """Record a hyperparameter that `fit` asked for after the model was built. Raises LostTrial."""
        distribution = natural_distribution(hyperparameter)
        internal = distribution.to_internal_repr(value)
        self._do(lambda: self._record.add_param(self._ids[number], key, internal, distribution))

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record the objective after `epoch`. Raises LostTrial."""
        self._do(lambda: self._record.report(self._ids[number], epoch, value))

    def finish(self, trial: Trial, space: Space, history: Mapping[str, list[float]] | None = None) -> None:
        """Record how a trial ended, or that it is paused. Without a `history`, the one that is recorded stays.

        Raises:
            LostTrial: it is not ours any more.
        """
        attributes = {
            **attributes_of(trial),
            "hyperparameters": space.names(trial.values),
            "history": self._history(trial.number) if history is None else dict(history),
        }
        attributes[_CHECKSUM] = checksum_of(trial, {ATTEMPT: trial.attempt, **attributes})
        state = STATES[trial.state]
        self._do(lambda: self._record.finish(self._ids[trial.number], state, trial.score, trial.reports, attributes))
        self._mine.discard(trial.number)
        self._open_numbers.discard(trial.number)

    def _history(self, number: int) -> dict[str, list[float]]:
        attributes = self._do(lambda: self._storage.get_trial_user_attrs(self._ids[number]))
        return dict(attributes.get("history", {}))

    def thaw(self, trial: Trial) -> None:
        """Record that a paused trial of ours runs again."""
        self._do(lambda: self._record.thaw(self._ids[trial.number], trial.thawed_at))
        self._mine.add(trial.number)

    # Other processes

    def _watch(self, rows: Iterable[tuple[int, int, OptunaState]]) -> None:
        for _, number, state in rows:
            self._next_unseen = number + 1
            if not state.is_finished():
                self._open_numbers.add(number)

    @property
    def next_number(self) -> int:
        """The number that the next claim probably gets."""
        return self._next_unseen

    def changes(self) -> list[Trial]:
        """Trials of others that are new, are built by now, or have ended; each as it stands now."""
        rows = self._read(lambda: self._record.states(self._next_unseen, self._open_numbers))
        changed = []
        for trial_id, number, state in rows:
            self._ids[number] = trial_id
            self._next_unseen = max(self._next_unseen, number + 1)
            if number in self._mine:
                continue
            changed.append(self._trial(trial_id))
            if state.is_finished():
                self._open_numbers.discard(number)
            else:
                self._open_numbers.add(number)
        return changed

    def _trial(self, trial_id: int) -> Trial:
        return self._checked(self._read(lambda: self._storage.get_trial(trial_id)))

    def beat(self, count: int) -> None:
        """Say that we live: `count` differs from the last one."""
        with storage_errors(self.url):
            self._record.beat({**self.owner.to_config(), "beat": count})

    def owners(self) -> dict[str, tuple[Owner, int]]:
        """The processes that work on the study or did, and the latest beat of each."""
        leases = self._read(self._record.leases)
        found = {}
        with reading(self.url):
            for token, content in leases.items():
                beat = content.pop("beat")
                found[token] = (Owner(**content), int(beat))
        return found

    def forget(self, tokens: Iterable[str]) -> None:
        """Remove dead processes from `owners`."""
        gone = list(tokens)
        self._do(lambda: self._record.forget(gone))

    # The study as a whole

    def archive(self) -> str:
        """Keep the study under another name and begin with an empty one; returns the other name."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
        kept = f"{self.name}_archived_{stamp}"
        with storage_errors(self.url):
            optuna.copy_study(
                from_study_name=self.name, from_storage=self._storage, to_storage=self._storage, to_study_name=kept
            )
            optuna.delete_study(study_name=self.name, storage=self._storage)
        return kept

    def discard(self) -> None:
        """Forget the study and everything in it."""
        with storage_errors(self.url):
            optuna.delete_study(study_name=self.name, storage=self._storage)

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()


def _key(planned: PlannedRun) -> str:
    return f"{planned.stage}:{planned.trial}:{planned.repeat}"


def study_exists(url: str, name: str) -> bool:
    return name in study_names(url)


def study_names(url: str) -> list[str]:
    """Of all studies in the database, in order."""
    storage = open_storage(url)
    try:
        with storage_errors(url):
            return sorted(study.study_name for study in storage.get_all_studies())
    finally:
        storage.engine.dispose()
