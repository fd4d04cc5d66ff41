"""A search from its request to its result: the data loaded, the record opened, trials run, the result read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from truetune.config.first_trial import todays_values
from truetune.data.sealing.identified import IdentifiedData
from truetune.errors import TruetuneError
from truetune.result import Result
from truetune.session.request import SearchRequest
from truetune.session.session import Session
from truetune.session.study_data import StudyData
from truetune.storage.archive import begin_anew
from truetune.storage.database import Patience
from truetune.storage.exclusive import require_alone
from truetune.storage.heartbeat import alive
from truetune.storage.paths import StudyPlace
from truetune.system.signals import stopping_on_signals


@contextmanager
def opened(request: SearchRequest) -> Iterator[Session]:
    """Load the data and open the record; a study that cannot be shared is locked."""
    task, options = request.task, request.options
    dataset = task.load()
    todays_values(task, options)
    place = request.place(dataset.is_dummy)
    place.make()
    with ExitStack() as stack:
        if not options.shares_study:
            stack.enter_context(place.locked(options.why_alone))
        with place.set_up_alone():
            if options.fresh:
                begin_anew(place, request.observer.note, options.lease_seconds)
            session = _open_session(place, StudyData(IdentifiedData(dataset), place.seal, request))
        stack.callback(session.close)
        stack.enter_context(stopping_on_signals())
        stack.enter_context(alive(session.store, options.lease_seconds))
        if not options.shares_study:
            require_alone(session.store, session.leases, options.why_alone)
        try:
            yield session
        except TruetuneError:
            session.forget_if_nothing_was_trained()
            raise


def run_session(request: SearchRequest) -> Result:
    """Search until the budget is used, re-train the finalists, and read the result.

    Raises:
        InputError: bad options, bad data, a wrong space, an objective that is not logged, a study with other settings.
        BuildError: the builder raised with its default values.
        RepeatedFailure: several trials in a row failed for the same reason.
    """
    with opened(request) as session:
        if session.is_complete():
            done = f"Study '{session.place.name}' already has {request.options.max_trials} trials; nothing to do."
            request.observer.note(f"{done} Raise --max-trials to extend it.")
        else:
            session.search()
        return session.result()


def _open_session(place: StudyPlace, data: StudyData) -> Session:
    from truetune.storage.store import create_store

    objective, observer = data.request.task.objective, data.request.observer
    patience = Patience(observer.note)
    store = create_store(place.url, place.name, objective.direction, objective.name, patience=patience)
    session = Session(place, store, data, is_new=not store.meta)
    try:
        session.check_study()
    except TruetuneError:
        session.close()
        raise
    return session
