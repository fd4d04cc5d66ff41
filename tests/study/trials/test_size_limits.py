"""Models that are too large: the lifecycle with the real record and the real searcher; the test plays the worker."""

from __future__ import annotations

import pytest

from truetune.errors import InputError
from truetune.testing.driver import trace
from truetune.training.messages import Declined, Outcome
from truetune.trial import ERROR, OUT_OF_MEMORY, TrialState

REFUSED = "Skipping models at least as large as one that ran out of memory."


def ladder(hp):
    hp.Choice("units", [1, 2, 4, 8, 16, 32])
    hp.Float("rate", 0.0, 1.0)
    hp.Fixed("batch_size", 64)


def ladder_lab(make_lab, **more):
    return make_lab(ladder, parameters=lambda values: values["units"] * 10, searched=20, **more)


@pytest.fixture
def lab(make_lab):
    return ladder_lab(make_lab)


def run(lab, outcome):
    """Train what is proposed; `outcome` is told the units."""
    while (running := lab.lifecycle.next(0)) is not None:
        try:
            is_accepted = lab.build(running)
        except Declined:
            is_accepted = False
        lab.lifecycle.ended(running, outcome(running.answers["units"]) if is_accepted else None)


def fits_up_to(most):
    def outcome(units):
        if units <= most:
            return Outcome(TrialState.COMPLETE, score=units / 100, epochs=1, best_epoch=1)
        return Outcome(TrialState.FAILED, reason="out of memory: 3.1 GiB of 3.0 GiB allowed", cause=OUT_OF_MEMORY)

    return outcome


def test_what_ran_out_of_memory_is_recorded_with_its_size(lab):
    lab.open(20)
    run(lab, fits_up_to(2))
    failures = [trial for trial in lab.trials() if trial.cause == OUT_OF_MEMORY]
    assert failures
    for trial in failures:
        size = f"{trial.values['units'] * 10} parameters, batch size 64"
        assert trial.reason == f"out of memory: 3.1 GiB of 3.0 GiB allowed; {size}"


def test_nothing_as_large_is_tried_again_also_after_a_resume(lab):
    lab.open(10)
    run(lab, fits_up_to(2))
    lab.open(20)
    run(lab, fits_up_to(2))
    smallest = 64
    for trial in lab.trials():
        assert trial.values["units"] < smallest
        if trial.cause == OUT_OF_MEMORY:
            smallest = trial.values["units"]
    assert len(lab.trials()) == 20
    assert REFUSED in lab.notes.lines


def test_a_search_that_was_resumed_is_the_uninterrupted_one(lab, make_lab):
    lab.open(9)
    run(lab, fits_up_to(2))
    lab.open(16)
    run(lab, fits_up_to(2))
    whole = ladder_lab(make_lab, inside="whole")
    whole.open(16)
    run(whole, fits_up_to(2))
    outlines = [[(t.number, t.values, t.state, t.cause) for t in found.trials()] for found in (lab, whole)]
    assert outlines[0] == outlines[1]


def test_a_builder_that_died_on_the_way_forbids_what_is_as_large(lab):
    lab.open(12)
    lab.build(first := lab.lifecycle.next(0))
    lab.lifecycle.ended(first, fits_up_to(2)(1))
    died = lab.lifecycle.next(0)
    units = lab.lifecycle.host(died).answer(trace(ladder)["units"])
    lab.lifecycle.ended(died, fits_up_to(0)(1))
    assert "its model was not fully built" in lab.trials()[1].reason
    run(lab, fits_up_to(64))
    assert all(trial.values["units"] < units for trial in lab.trials()[2:])


def test_other_failures_have_a_cause_too(lab):
    lab.open(2)
    run(lab, lambda units: Outcome(TrialState.FAILED, reason="loss became nan"))
    assert [trial.cause for trial in lab.trials()] == [ERROR, ERROR]


def test_models_of_too_many_parameters_are_not_trained_and_do_not_count(lab):
    lab.open(12, max_parameters=50)
    run(lab, fits_up_to(64))
    assert len(lab.trials()) == 12
    assert all(trial.parameters <= 50 for trial in lab.trials())
    said = "Skipping models with more than 50 parameters; others are proposed instead."
    assert lab.notes.lines == [said]


def test_today_with_too_many_parameters_is_bad_input(lab):
    lab.open(4, max_parameters=9)
    with pytest.raises(InputError, match=r"trial 0\) has 10 parameters\. Expected at most 9 \(--max-parameters\)"):
        lab.build(lab.lifecycle.next(0))
