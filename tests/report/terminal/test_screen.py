"""What a person sees: states, best, baseline, time, and the next command."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from truetune.errors import StudyError
from truetune.inspection.planning import SearchPlan
from truetune.objective import Objective
from truetune.report.terminal.plan import print_plan
from truetune.report.terminal.screen import LiveScreen, PlainLines, Tally, WorkerLine, clock_time, ended_line, scored
from truetune.report.terminal.status import print_studies, print_study
from truetune.report.terminal.summary import print_summary
from truetune.result import Result
from truetune.space import Condition, Hyperparameter, Space
from truetune.storage.database import sqlite_url
from truetune.storage.store import create_store
from truetune.training.messages import Timing
from truetune.trial import CHOOSING, FreshRun, Schedule, Trial, TrialState

ACCURACY = Objective("val_accuracy", "max")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120, force_terminal=False)


def shown(console):
    return console.file.getvalue()


def trial(number, score=0.5, state=TrialState.COMPLETE, **changes):
    fields = {"values": {"units": 8 * (1 + number)}, "epochs": 3, "best_epoch": 2, "seconds": 65.0} | changes
    return Trial(number, state, score=score, **fields)


def space():
    made = Space()
    made.add(Hyperparameter("Int", "units", 8, low=8, high=64, step=8))
    made.add(Hyperparameter("Boolean", "lstm", False))
    made.add(Hyperparameter("Fixed", "version", 1, choices=(1,)))
    made.add(Hyperparameter("Int", "depth", 1, low=1, high=3, step=1, conditions=(Condition("lstm", (True,)),)))
    return made


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3600, "1:00:00"), (3661, "1:01:01"), (None, "–")]
)
def test_durations(seconds, text):
    assert clock_time(seconds) == text


def test_a_trial_in_a_line():
    assert ended_line(trial(3, 0.71234), ACCURACY) == "trial 3 complete: val_accuracy 0.7123, 3 epochs, 1:05"
    failed = trial(4, None, TrialState.FAILED, reason="loss became nan", epochs=1)
    assert ended_line(failed, ACCURACY) == "trial 4 failed after 1 epoch: loss became nan"
    assert scored(None) == scored(failed) == "–"


def test_the_tally_counts_states_and_finds_best_and_baseline():
    tally = Tally(ACCURACY, epochs=30)
    tally.begin([trial(0, 0.4), trial(1, 0.9), trial(2, None, TrialState.RUNNING)], 10)
    assert tally.counts() == "2 done, 0 pruned, 0 failed"
    assert tally.remaining is None
    tally.start(trial(2, None, TrialState.RUNNING), 0)
    tally.epoch(2, 1, 0.3)
    assert tally.lines[0].value == 0.3
    tally.end(trial(2, 0.95, TrialState.PRUNED), 0)
    assert tally.lines == {}
    assert tally.counts() == "2 done, 1 pruned, 0 failed"
    assert (tally.best.number, tally.baseline.number) == (1, 0)
    assert tally.remaining >= 0


def test_the_epochs_of_a_line_are_those_of_its_schedule():
    tally = Tally(ACCURACY, epochs=30)
    assert tally.place(line_at(2, trial(0))) == "epoch 2/30"
    assert tally.place(line_at(2, trial(0, schedule=Schedule(epochs=4)))) == "epoch 2/4"
    assert tally.place(line_at(0, trial(0, values={"epochs": 12}))) == "epoch 0/12"


def test_the_fold_of_a_line():
    tally = Tally(ACCURACY, epochs=30)
    tally.folds = (5, 30)
    assert tally.place(line_at(0, trial(0))) == "fold 1/5  epoch 0/30"
    assert tally.place(line_at(30, trial(0))) == "fold 1/5  epoch 30/30"
    assert tally.place(line_at(31, trial(0))) == "fold 2/5  epoch 1/30"


def line_at(epoch, trial):
    return replace(WorkerLine(trial, 0.0), epoch=epoch)


def test_plain_lines_say_how_far_it_is(console):
    lines = PlainLines(console, ACCURACY, 30)
    lines.note("[bold] is no markup here")
    lines.search_started([trial(0, 0.4)], 3)
    lines.trial_started(trial(1, None, TrialState.RUNNING), 0)
    lines.trial_ended(trial(1, 0.6), 0)
    text = shown(console)
    assert "[bold] is no markup here" in text
    assert "trial 1 complete: val_accuracy 0.6000" in text
    assert "[2/3, best 0.6000 (trial 1), elapsed" in text


def test_fresh_runs_are_shown(console):
    lines = PlainLines(console, ACCURACY, 30)
    lines.finals_started(2)
    lines.fresh_run_ended(FreshRun(3, 0, CHOOSING, 0.61, 0.62, 65.0), 1, 2)
    lines.fresh_run_ended(FreshRun(4, 1, CHOOSING, None, None, reason="out of memory"), 2, 2)
    assert shown(console).splitlines() == [
        "Re-evaluation: 2 re-trainings of finalists with new seeds.",
        "re-training 1 of trial 3 (choosing): val_accuracy 0.6100, 1:05  [1/2]",
        "re-training 2 of trial 4 (choosing) failed: out of memory  [2/2]",
    ]


def test_the_live_screen_says_how_many_fresh_runs_are_done():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with LiveScreen(console, ACCURACY, 30) as screen:
        screen.search_started([trial(0, 0.4)], 1)
        screen.finals_started(2)
        screen.fresh_run_ended(FreshRun(0, 0, CHOOSING, 0.41, 0.42, 5.0), 1, 2)
        plain = Console(file=io.StringIO(), width=120)
        plain.print(screen.draw())
    assert "Re-evaluating finalists: 1/2" in plain.file.getvalue()
    assert "re-training 1 of trial 0" in console.file.getvalue()


def test_the_live_screen_shows_a_line_a_worker():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with LiveScreen(console, ACCURACY, 30) as screen:
        screen.search_started([trial(0, 0.4)], 5)
        screen.trial_started(trial(1, None, TrialState.RUNNING), 0)
        screen.trial_started(trial(2, None, TrialState.RUNNING), 1)
        screen.epoch_ended(2, 7, 0.55)
        plain = Console(file=io.StringIO(), width=120)
        plain.print(screen.draw())
        drawn = plain.file.getvalue()
        screen.trial_ended(trial(2, 0.6), 1)
        after = Console(file=io.StringIO(), width=120)
        after.print(screen.draw())
    assert "1/5  (1 done, 0 pruned, 0 failed)" in drawn
    assert "worker 0  trial 1  epoch 0/30  val_accuracy –" in drawn
    assert "worker 1  trial 2  epoch 7/30  val_accuracy 0.5500" in drawn
    assert "val_accuracy 0.4000 (trial 0)" in drawn
    assert "worker 1" not in after.file.getvalue()
    assert "val_accuracy 0.6000 (trial 2)" in after.file.getvalue()


def test_the_summary_names_the_winner_the_file_and_the_next_command(console, tmp_path):
    trials = (trial(0, 0.4), trial(1, 0.9), trial(2, None, TrialState.FAILED))
    result = Result("study", "sqlite:///x.db", ACCURACY, trials, space(), {})
    print_summary(console, result, tmp_path / "best.json", "truetune apply")
    text = shown(console)
    assert "Best val_accuracy: 0.9000 (trial 1) after 2 epochs" in text
    assert "2 complete, 1 failed" in text
    assert "Today's config: 0.4000 (trial 0)" in text
    assert "not confirmed by re-trainings" in text
    assert "units" in text
    assert f"written to {tmp_path / 'best.json'}" in text
    assert text.rstrip().endswith("Next: truetune apply")


def test_the_plan_shows_space_size_schedule_and_time(console):
    plan = SearchPlan(space(), ("TPE, 10 trials",), ("by subject",), Timing(1.0, 3.0, 0.5, 12345), 10, 100, 2)
    assert plan.combinations == 8 * 2 * 3
    assert plan.seconds == pytest.approx(10 * (1.0 + 2.5) + 100 * 0.5)
    print_plan(console, plan)
    text = shown(console)
    for piece in (
        "3 hyperparameters, 48 combinations",
        "8…64 step 8",
        "lstm is True",
        "TPE, 10 trials",
        "by subject",
        "12,345 parameters",
        "10 trials (100 epochs in total): about 1:25",
    ):
        assert piece in text


def test_a_plan_counts_the_finalists_and_the_searches_of_a_nested_evaluation(console):
    timing = Timing(1.0, 3.0, 0.5, 12345)
    nested = {"searches": 3, "winners": 4, "winner_epochs": 40}
    plan = SearchPlan(space(), (), (), timing, 10, 100, 2, finals=12, final_epochs=60, **nested)
    assert plan.seconds == pytest.approx((3 * 22 + 4) * (1.0 + 2.5) + (3 * 160 + 40) * 0.5)
    print_plan(console, plan)
    text = " ".join(shown(console).split())
    assert "3 searches (one per outer fold and a final one), each of 10 trials (100 epochs in total) and up to" in text
    assert "up to 12 re-trainings of finalists (60 epochs), and 4 trainings of the outer folds' winners" in text
    assert "(40 epochs in total): about 8:25 at most, run one after the other" in text


def test_a_continuous_range_has_unlimited_combinations(console):
    endless = space()
    endless.add(Hyperparameter("Float", "rate", 0.1, low=0.1, high=1.0))
    plan = SearchPlan(endless, (), (), Timing(1.0, 3.0, 0.5, 12345), 10, 100, 2)
    assert plan.combinations is None
    print_plan(console, plan)
    assert "unlimited combinations" in shown(console)


@pytest.fixture
def recorded(tmp_path):
    url = sqlite_url(tmp_path / "optuna.db")
    store = create_store(url, "study", "max", "val_accuracy")
    for made in (trial(0, 0.4), trial(1, None, TrialState.FAILED, reason="loss became nan")):
        store.start(made, space())
        store.finish(made, space())
    store.start(trial(2, None, TrialState.RUNNING), space())
    store.close()
    return url


def test_status_shows_studies_and_their_trials(console, recorded):
    print_studies(console, recorded)
    assert "0.4000 (trial 0)" in shown(console)
    print_study(console, recorded, "study")
    assert "loss became nan" in shown(console)
    assert "running" in shown(console)


def test_status_of_what_is_not_there(console, recorded, tmp_path):
    with pytest.raises(StudyError, match=r"no study 'other' in .*Expected one of: study"):
        print_study(console, recorded, "other")
    missing = tmp_path / "none" / "optuna.db"
    with pytest.raises(StudyError, match=r"no study database at .*Run `truetune tune` first"):
        print_studies(console, sqlite_url(missing))
    assert not missing.exists()


def test_a_study_of_pruned_trials_only_has_no_best(console, tmp_path):
    url = sqlite_url(tmp_path / "optuna.db")
    store = create_store(url, "study", "max", "val_accuracy")
    store.start(trial(0), space())
    store.finish(trial(0, 0.4, TrialState.PRUNED), space())
    store.close()
    print_studies(console, url)
    assert "–" in shown(console)
